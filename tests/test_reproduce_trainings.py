"""Trainings and trials that are made again by the command, long after the code was changed."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sprout.reproduce.processes import without_git
from sweep_runs import client_of
from workspaces import commit_all, copy_workspace, git, run, start

pytestmark = pytest.mark.slow
OWN = "# @package _global_\ndefaults:\n  - digits\n\ntrain:\n  epochs: 2\n"
CHANGED, WAS = "conf/train/task/classify.yaml", "conf/experiment/own.yaml"


@pytest.fixture(scope="module")
def project(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a training of uncommitted code and a sweep of one trial, and commits after them."""
    folder = copy_workspace(prepared_project, tmp_path_factory.mktemp("reproduce") / "sprout")
    settings = (folder / CHANGED).read_text()
    (folder / CHANGED).write_text(settings.replace("label_smoothing: 0.0", "label_smoothing: 0.1"))
    (folder / WAS).write_text(OWN)
    (folder / "notes.txt").write_text("mine\n")
    run(folder, "sprout", "train", "experiment=own", "train.lr=0.004")
    (folder / CHANGED).write_text(settings)
    (folder / WAS).unlink()
    run(folder, "sprout", "sweep", "sweep.trials=1", "sweep.workers=1", "train.epochs=2", "train.threads=0")
    for text in ("earlier", "later"):
        (folder / "README.md").write_text(text)
        commit_all(folder)
    return folder


def run_of(project: Path, role: str) -> str:
    client = client_of(project)
    experiments = [each.experiment_id for each in client.search_experiments()]
    (found,) = client.search_runs(experiments, f"tags.`sprout.role` = '{role}'")
    return str(found.info.run_id)


def state(project: Path) -> dict[str, Any]:
    """All files of the user with their times of change, the worktrees, and what lies beside the workspace."""
    files = [path for path in project.rglob("*") if path.is_file() and ".dvc" not in path.parts]
    user = {str(path): path.stat().st_mtime_ns for path in files if path.suffix not in (".lock", ".pyc")}
    return user | {
        "worktrees": git(project, "worktree", "list"),
        "beside": list(project.parent.glob("sprout-reproduce-*")),
    }


def test_a_training_of_uncommitted_code_is_made_again(project: Path) -> None:
    """The changes of a file, and a file that git did not know, are those that the run has kept."""
    before = state(project)
    found, _ = json.JSONDecoder().raw_decode(run(project, "sprout", "reproduce", run_of(project, "train"), "--json"))
    assert found["commit"] == git(project, "rev-parse", "HEAD~2").strip()
    assert (found["patched"], found["lost"], found["set"]) == (True, ["notes.txt"], [])
    assert [data["origin"] for data in found["data"]] == [
        "cache",
        "cache",
        "made again",
    ]  # there are no pretrained weights
    assert found["verdict"]["same"] is True
    assert found["verdict"]["environment"] == {}
    (then, now) = found["verdict"]["weights"]["model"]
    assert (then, len(then)) == (now, 64)
    assert state(project) == before


def test_a_trial_is_made_again_with_its_seed_and_threads(project: Path) -> None:
    """A result that differs, here as the store says so, ends with 1 and the table of what differs."""
    trial, client = run_of(project, "trial"), client_of(project)
    accuracy = client.get_run(trial).data.metrics["val_accuracy"]
    client.log_metric(trial, "val_accuracy", accuracy + 0.25)
    printed = run(project, "sprout", "reproduce", trial, code=1)
    client.log_metric(trial, "val_accuracy", accuracy)
    (row,) = [line.split() for line in printed.splitlines() if line.startswith("val_accuracy")]
    assert [float(cell) for cell in row[1:]] == pytest.approx([accuracy + 0.25, accuracy, -0.25], abs=1e-4)
    assert "another result: 1 differ; CPU, threads and versions of libraries are as they were" in printed
    assert "settings  beside the overrides, as the run had them: train.threads, retrain.threads" in printed


def test_a_dry_run_makes_nothing_and_a_run_is_refused_without_its_commit(project: Path) -> None:
    printed = run(project, "sprout", "reproduce", run_of(project, "trial"), "--dry-run")
    assert "data/prepared (" in printed
    assert "reproduce: trains" not in printed
    client, trial = client_of(project), run_of(project, "trial")
    commit = client.get_run(trial).data.tags["mlflow.source.git.commit"]
    client.set_tag(trial, "mlflow.source.git.commit", "1" * 40)
    printed = run(project, "sprout", "reproduce", trial, code=2)
    client.set_tag(trial, "mlflow.source.git.commit", commit)
    assert "error: commit 1111111111111111111111111111111111111111: this repository does not have it" in printed


def test_what_was_begun_is_removed_when_a_signal_ends_it(project: Path) -> None:
    before, log = state(project), project.with_name("log")
    log.unlink(missing_ok=True)
    command = start(project, "sprout", "reproduce", run_of(project, "train"), warm=True)
    end = time.monotonic() + 200
    while "reproduce: trains" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < end, log.read_text()
        assert command.poll() is None, log.read_text()
        time.sleep(0.05)
    worktree = subprocess.run(
        ["git", "worktree", "list"], cwd=project, env=without_git(), capture_output=True, text=True, check=True
    )
    assert worktree.stdout.count("\n") == 2
    command.terminate()
    assert command.wait(100) == 128 + signal.SIGTERM
    log.unlink()
    assert state(project) == before
