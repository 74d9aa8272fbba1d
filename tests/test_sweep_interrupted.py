"""`sprout sweep` killed, ended and resumed."""

import os
import random
import re
import signal
import time
from pathlib import Path

import psutil
import pytest
from optuna.study import Study
from optuna.trial import FrozenTrial

from sweep_runs import children, client_of, count, runs, study_of, wait_for
from workspaces import copy_workspace, run, start


@pytest.fixture(scope="module")
def prepared(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with prepared data; each test uses its own studies."""
    return copy_workspace(prepared_project, tmp_path_factory.mktemp("sweep") / "project")


def trained(study: Study, trial: FrozenTrial) -> FrozenTrial:
    """The attempt at a trial's settings that ran the training."""
    while trial.user_attrs.get("reused"):
        trial = study.trials[trial.user_attrs["retry_of"]]
    return trial


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_killed_at_random_no_trial_is_lost(prepared: Path, seed: int) -> None:
    name, chance = "killed", random.Random(seed)
    given = ["sprout", "sweep", "train.epochs=8", "sweep.trials=6", "sweep.workers=2", f"sweep.name={name}"]
    process, kills = start(prepared, *given, "sweep.pruner=none"), 0
    results = prepared / f"mlruns/sweeps/digits-{name}/results"
    while kills < 4 and (finished := len(list(results.glob("*.json")))) < 5:
        wait_for(prepared, f"digits-{name}", finished + 1, process)
        time.sleep(chance.uniform(0.0, 2.0))
        victim = chance.choice([process.pid, *(child.pid for child in children(process))])
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue
        kills += 1
        if victim == process.pid:
            process.wait()
            process = start(prepared, *given, "sweep.pruner=none")
    assert process.wait(timeout=400) == 0
    assert kills >= 2
    study = study_of(prepared, f"digits-{name}")
    assert count(study)["COMPLETE"] == 6
    assert set(count(study)) <= {"COMPLETE", "FAIL"}
    assert [trial.number for trial in study.trials] == list(range(len(study.trials)))
    tried = [tuple(sorted(trial.params.items())) for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(set(tried)) == 6, "a draw was made twice"
    sweep, trials = runs(prepared, f"digits-{name}")
    assert sweep.info.status == "FINISHED"
    assert [each.info.status for each in trials if each.info.status == "RUNNING"] == []
    assert [each for each in trials if each.data.tags.get("sprout.trial_state") == "PRUNED"] == []
    # A worker that is killed between the end of a training and its result leaves the next attempt nothing to train:
    # the attempt that trained has reported the epochs.
    complete = [trained(study, trial) for trial in study.trials if trial.state.name == "COMPLETE"]
    assert all(list(trial.intermediate_values) == list(range(1, 9)) for trial in complete)
    for trial in complete:  # each epoch is reported once, also by a trial that resumes
        (tracked,) = [each for each in trials if each.data.tags["sprout.trial"] == str(trial.number)]
        steps = [metric.step for metric in client_of(prepared).get_metric_history(tracked.info.run_id, "val_loss")]
        assert sorted(steps) == sorted(set(steps))


@pytest.mark.slow
def test_ctrl_c(prepared: Path) -> None:
    """Once, then twice in the resumed sweep, which is resumed again and ends."""
    name, done = "digits-ctrl", 0
    given = ["sprout", "sweep", "train.epochs=20", "sweep.name=ctrl", "sweep.pruner=none"]
    for times in (1, 2):
        process = start(prepared, *given, "sweep.trials=50")
        wait_for(prepared, name, done + 1, process)
        if times == 1:
            second = run(prepared, *given, "sweep.trials=50", code=2)
            assert re.search(rf"sweep {name}: held by process {process.pid}, since", second)
        for _ in range(times):
            os.kill(process.pid, signal.SIGINT)
            time.sleep(1.0)
        workers = children(process)
        assert process.wait(timeout=100) == 130
        assert psutil.wait_procs(workers, timeout=30)[1] == []
        study = study_of(prepared, name)
        assert "RUNNING" not in count(study)
        if "FAIL" in count(study):
            log = (prepared / "mlruns/sweeps" / name / "logs/worker-0.log").read_text()
            assert "ended by SIGTERM" in log, "it saved and was not killed"
        assert done < count(study)["COMPLETE"] < 50
        done = count(study)["COMPLETE"]
        queued = count(study).get("WAITING", 0)
        assert queued == count(study).get("FAIL", 0) <= times - 1, "what was ended at once is queued again"
        assert runs(prepared, name)[0].info.status == "KILLED"
    run(prepared, *given, f"sweep.trials={done + 1}")
    assert count(study_of(prepared, name))["COMPLETE"] == done + 1
    assert runs(prepared, name)[0].info.status == "FINISHED"
