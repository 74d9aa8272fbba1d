"""`sprout sweep` as a user runs it: real trainings."""

import shlex
from pathlib import Path

import pytest
import yaml

from sweep_runs import NAME, SHORT, count, runs, study_of
from workspaces import copy_workspace, run


@pytest.fixture(scope="module")
def prepared(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with prepared data; each test uses its own studies."""
    return copy_workspace(prepared_project, tmp_path_factory.mktemp("sweep") / "project")


@pytest.mark.slow
def test_a_sweep_and_the_experiment_of_its_winner(prepared: Path) -> None:
    (prepared / "params.yaml").write_text("experiment: digits\noverrides: [train.lr=0.02]\n")
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
    assert sweep.data.metrics["val_accuracy"] == study.best_value
    assert {f"sweep {NAME} #{trial.number}" for trial in study.trials} == {each.info.run_name for each in trials}
    for trial in study.trials:
        (tracked,) = [each for each in trials if each.data.tags["sprout.trial"] == str(trial.number)]
        assert tracked.data.tags["sprout.trial_state"] == trial.state.name
        assert tracked.info.status == ("FINISHED" if trial.state.name == "COMPLETE" else "KILLED")
        assert float(tracked.data.params["train.lr"]) == trial.params["train.lr"]
        assert not [name for name in tracked.data.metrics if name.startswith("test")]

    # The printed command builds what trains as the trial did, although params.yaml holds another learning rate.
    (line,) = [line for line in printed.splitlines() if " builds it: " in line]
    run(prepared, *shlex.split(line.partition(" builds it: ")[2]), "train")
    history = (prepared / "models/teacher/history.csv").read_text().splitlines()
    column = history[0].split(",").index("val_accuracy")
    assert study.best_value in [float(line.split(",")[column]) for line in history[1:]]
    run(prepared, "git", "checkout", "-q", "HEAD", "params.yaml", "dvc.lock")
    refused = run(prepared, *given, "train.epochs=4", code=2)
    assert "train.epochs was 3, is 4" in refused
    assert "digits_swept.yaml exists" in run(prepared, *given, "--adopt", "digits_swept", code=2)


@pytest.mark.slow
def test_a_trial_on_two_devices_with_two_seeds(prepared: Path) -> None:
    given = ["train.devices=2", "train.accelerator=cpu", "train.epochs=2", "sweep.trials=1", "sweep.seeds=2"]
    printed = run(prepared, "sprout", "sweep", *given, "sweep.name=two")
    study = study_of(prepared, "digits-two")
    assert "2 seeds" in printed
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    _, trials = runs(prepared, "digits-two")
    assert done
    names = {f"sweep digits-two #{trial.number} seed {seed}" for trial in done for seed in range(2)}
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
    """A scikit-learn model learns without epochs, so nothing is pruned. Of two settings each is trained once.

    More trials resume the study; `--fresh` begins another one.
    """
    forest = ["model=forest", "train=scikit_learn", "~train.epochs", "~train.lr", "retrain=default"]
    forest.append("~retrain.steps_per_epoch")
    (prepared / "params.yaml").write_text(yaml.safe_dump({"experiment": "digits", "overrides": forest}))
    space = ["~sweep.space.train", "~sweep.space.model.dropout"]
    trees = "+sweep.space.model.trees={kind: int, low: 5, high: 6, step: 1}"
    given = ["sprout", "sweep", *space, trees, "sweep.pruner=none", "sweep.name=forest"]
    run(prepared, *given, "sweep.trials=3")
    assert count(study_of(prepared, "digits-forest")) == {"COMPLETE": 3}
    run(prepared, *given, "sweep.trials=5")
    run(prepared, *given, "sweep.trials=1", "--fresh")
    run(prepared, "git", "checkout", "-q", "params.yaml")
    assert count(study_of(prepared, "digits-forest+2")) == {"COMPLETE": 1}
    study = study_of(prepared, "digits-forest")
    assert count(study) == {"COMPLETE": 5}
    values: dict[int, set[float]] = {}
    for trial in study.trials:
        values.setdefault(trial.params["model.trees"], set()).add(trial.values[0])
    assert set(values) <= {5, 6}
    assert all(len(found) == 1 for found in values.values())
    assert len(runs(prepared, "digits-forest")[1]) == len(values)
    assert sum(trial.user_attrs.get("reused", False) for trial in study.trials) == 5 - len(values)
