"""`sprout sweep` as a user runs it: real trainings, killed, ended and resumed."""

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import yaml
from optuna.study import Study

from sprout.tracking.connection import connect
from workspaces import commit_all, new_project, run, start

SHORT = ["train.epochs=3", "sweep.trials=6", "sweep.workers=2"]
NAME = "digits-default"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with prepared data; each test uses its own studies."""
    project = new_project(tmp_path_factory.mktemp("sweep") / "project")
    run(project, "dvc", "repro", "--quiet", "augment", "pretrained")
    commit_all(project)
    return project


def study_of(project: Path, name: str) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(study_name=None, storage=f"sqlite:///{project}/mlruns/sweeps/{name}/study.db")


def count(study: Study) -> dict[str, int]:
    states = [trial.state.name for trial in study.trials]
    return {state: states.count(state) for state in sorted(set(states))}


def runs(project: Path, name: str) -> tuple[Any, list[Any]]:
    """Return the MLflow runs of the sweep and of its trials."""
    client = client_of(project)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, max_results=1000)
    (sweep,) = [each for each in found if each.info.run_name == name]
    return sweep, [each for each in found if each.data.tags.get("mlflow.parentRunId") == sweep.info.run_id]


def client_of(project: Path) -> Any:
    return connect(f"sqlite:///{project}/mlruns/mlflow.db")


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for(project: Path, name: str, done: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a number of trials have finished."""
    end = time.monotonic() + 300
    results = project / "mlruns/sweeps" / name / "results"
    while len(list(results.glob("*.json"))) < done:
        assert time.monotonic() < end, "no trial ends"
        assert process.poll() is None, process.returncode
        time.sleep(0.05)


@pytest.mark.slow
def test_a_sweep_and_the_experiment_of_its_winner(prepared: Path) -> None:
    given = ["sprout", "sweep", *SHORT, "sweep.sampler=random"]
    printed = run(prepared, *given, "--adopt", "digits_swept")
    study = study_of(prepared, NAME)
    assert sum(count(study).values()) == 6
    assert set(count(study)) <= {"COMPLETE", "PRUNED"}
    assert "the best settings" in printed

    pictures = sorted(path.name for path in (prepared / "mlruns/sweeps" / NAME / "pictures").iterdir())
    assert {"history.png", "parallel_coordinates.png", "slices.png"} <= set(pictures)
    sweep, trials = runs(prepared, NAME)
    assert sweep.info.status == "FINISHED"
    assert sweep.data.params["sweep.trials"] == "6"
    assert sweep.data.metrics["best_val_accuracy"] == study.best_value
    assert {f"trial {trial.number}" for trial in study.trials} == {each.info.run_name for each in trials}
    for trial in study.trials:
        (tracked,) = [each for each in trials if each.data.tags["sprout.trial"] == str(trial.number)]
        assert tracked.data.tags["sprout.trial_state"] == trial.state.name
        assert tracked.info.status == ("FINISHED" if trial.state.name == "COMPLETE" else "KILLED")
        assert float(tracked.data.params["train.lr"]) == trial.params["train.lr"]
        assert not [name for name in tracked.data.metrics if name.startswith("test")]

    # The build of the winner trains as its trial did.
    (prepared / "params.yaml").write_text(yaml.safe_dump({"experiment": "digits_swept", "overrides": []}))
    run(prepared, "dvc", "repro", "--quiet", "train")
    history = (prepared / "models/teacher/history.csv").read_text().splitlines()
    column = history[0].split(",").index("val_accuracy")
    assert study.best_value in [float(line.split(",")[column]) for line in history[1:]]
    run(prepared, "git", "checkout", "-q", "params.yaml", "dvc.lock")

    # More trials resume the study; another definition needs another study.
    run(prepared, *given, "sweep.trials=7")
    assert sum(count(study_of(prepared, NAME)).values()) == 7
    refused = run(prepared, *given, "train.epochs=4", code=2)
    assert "train.epochs was 3, is 4" in refused
    run(prepared, *given, "train.epochs=1", "sweep.trials=1", "--fresh")
    assert count(study_of(prepared, f"{NAME}+2")) == {"COMPLETE": 1}
    assert sum(count(study_of(prepared, NAME)).values()) == 7
    assert "digits_swept.yaml exists" in run(prepared, *given, "--adopt", "digits_swept", code=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_killed_at_random_no_trial_is_lost(prepared: Path, seed: int) -> None:
    name, chance = "killed", random.Random(seed)
    given = ["sprout", "sweep", "train.epochs=12", "sweep.trials=8", "sweep.workers=2", f"sweep.name={name}"]
    process, kills = start(prepared, *given, "sweep.pruner=none"), 0
    results = prepared / f"mlruns/sweeps/digits-{name}/results"
    while kills < 5 and (finished := len(list(results.glob("*.json")))) < 6:
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
    assert kills >= 3
    study = study_of(prepared, f"digits-{name}")
    assert count(study)["COMPLETE"] == 8
    assert set(count(study)) <= {"COMPLETE", "FAIL"}
    assert [trial.number for trial in study.trials] == list(range(len(study.trials)))
    tried = [tuple(sorted(trial.params.items())) for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(set(tried)) == 8, "a draw was made twice"
    sweep, trials = runs(prepared, f"digits-{name}")
    assert sweep.info.status == "FINISHED"
    assert [each.info.status for each in trials if each.info.status == "RUNNING"] == []
    assert [each for each in trials if each.data.tags.get("sprout.trial_state") == "PRUNED"] == []
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert all(list(trial.intermediate_values) == list(range(1, 13)) for trial in complete)
    for trial in complete:  # each epoch is reported once, also by a trial that resumes
        (tracked,) = [each for each in trials if each.data.tags["sprout.trial"] == str(trial.number)]
        steps = [metric.step for metric in client_of(prepared).get_metric_history(tracked.info.run_id, "val_loss")]
        assert sorted(steps) == sorted(set(steps))


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(prepared: Path, times: int) -> None:
    name = f"digits-ctrl{times}"
    given = ["sprout", "sweep", "train.epochs=60", f"sweep.name=ctrl{times}", "sweep.pruner=none"]
    process = start(prepared, *given, "sweep.trials=50")
    wait_for(prepared, name, 1, process)
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
    done = count(study)["COMPLETE"]
    assert 1 <= done < 50
    queued = count(study).get("WAITING", 0)
    assert queued == count(study).get("FAIL", 0) <= times - 1, "what was ended at once is queued again"
    assert runs(prepared, name)[0].info.status == "KILLED"
    run(prepared, *given, f"sweep.trials={done + 1}")
    assert count(study_of(prepared, name))["COMPLETE"] == done + 1
    assert runs(prepared, name)[0].info.status == "FINISHED"


@pytest.mark.slow
def test_a_trial_on_two_devices_with_two_seeds(prepared: Path) -> None:
    given = ["train.devices=2", "train.accelerator=cpu", "train.epochs=2", "sweep.trials=2", "sweep.seeds=2"]
    printed = run(prepared, "sprout", "sweep", *given, "sweep.name=two")
    study = study_of(prepared, "digits-two")
    assert "2 seeds" in printed
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    _, trials = runs(prepared, "digits-two")
    names = {f"trial {trial.number}, seed {seed}" for trial in done for seed in range(2)}
    assert names <= {each.info.run_name for each in trials}


@pytest.mark.slow
def test_architectures_against_two_objectives(prepared: Path) -> None:
    given = ["sprout", "sweep", "sweep=architecture", "train.epochs=1", "sweep.trials=5"]
    printed = run(prepared, *given)
    study = study_of(prepared, "digits-architecture")
    assert count(study) == {"COMPLETE": 5}
    assert "Pareto front" in printed
    assert (prepared / "mlruns/sweeps/digits-architecture/pictures/pareto_front.png").is_file()
    for trial in study.trials:
        assert trial.values[1] == int(trial.values[1]) > 100
    if len(study.best_trials) > 1:
        assert "--trial" in run(prepared, *given, "--adopt", "small", code=2)
    run(prepared, *given, "--adopt", "small", "--trial", str(study.best_trials[0].number))
    assert "channels" in (prepared / "conf/experiment/small.yaml").read_text()


@pytest.mark.slow
def test_a_scikit_learn_model(prepared: Path) -> None:
    """A scikit-learn model learns without epochs, so nothing is pruned. Of two settings each is trained once."""
    forest = ["model=forest", "train=scikit_learn", "~train.epochs", "~train.lr"]
    (prepared / "params.yaml").write_text(yaml.safe_dump({"experiment": "digits", "overrides": forest}))
    space = ["~sweep.space.train", "~sweep.space.model.dropout"]
    trees = "+sweep.space.model.trees={kind: int, low: 5, high: 6, step: 1}"
    run(prepared, "sprout", "sweep", *space, trees, "sweep.pruner=none", "sweep.trials=5", "sweep.name=forest")
    run(prepared, "git", "checkout", "-q", "params.yaml")
    study = study_of(prepared, "digits-forest")
    assert count(study) == {"COMPLETE": 5}
    values: dict[int, set[float]] = {}
    for trial in study.trials:
        values.setdefault(trial.params["model.trees"], set()).add(trial.values[0])
    assert set(values) <= {5, 6}
    assert all(len(found) == 1 for found in values.values())
    assert len(runs(prepared, "digits-forest")[1]) == len(values)
    assert sum(trial.user_attrs.get("reused", False) for trial in study.trials) == 5 - len(values)
