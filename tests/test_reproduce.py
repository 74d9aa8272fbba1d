"""Making a run again: what is refused, the worktree that leaves nothing behind, and what is said of the result."""

import math
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sprout.commands.reproduce import lines, sentence
from sprout.config.tree import MISSING
from sprout.reproduce.checkout import Place, checked_out
from sprout.reproduce.data import Data
from sprout.reproduce.origin import read_origin
from sprout.reproduce.processes import ReproduceError, run, surroundings
from sprout.reproduce.reproduce import Outcome
from sprout.reproduce.settings import override
from sprout.reproduce.verdict import Verdict, judge
from sprout.runtime.errors import UserError
from sprout.tracking import GitState, InSweep, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.tags import CPU, VERSIONS, WEIGHTS
from tracked_runs import make_build, runs_of, track
from workspaces import commit_all

GIT = GitState("c0ffee", "untracked: notes.txt\n--- a\r\n+++ b\n")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with one commit, and a workspace in a folder of it."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    top = tmp_path / "repository"
    (top / "work").mkdir(parents=True)
    (top / "work" / "file").write_text("one\n")
    commit_all(top)
    return top


def git(top: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=top, check=True, capture_output=True, text=True).stdout


def head(top: Path) -> str:
    return git(top, "rev-parse", "HEAD").strip()


def left(top: Path) -> tuple[list[str], int]:
    """What lies beside the repository, and the number of its worktrees."""
    beside = sorted(path.name for path in top.parent.iterdir() if path.name != f"{top.name}-dvc")
    return beside, len(git(top, "worktree", "list").splitlines())


def test_code_is_checked_out_beside_and_removed(repository: Path) -> None:
    """With its changes, without hooks; also where the block fails, and the user's files and index stay."""
    commit, file = head(repository), repository / "work" / "file"
    hook = repository / ".git/hooks/post-checkout"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    file.write_text("two\n")
    patch = git(repository, "diff", "HEAD")
    file.write_text("mine\n")
    index = (repository / ".git/index").read_bytes()
    with checked_out(repository / "work", commit, patch, Place(None, keep=False)) as workspace:
        assert (workspace.name, workspace.parent.parent) == ("work", repository.parent)
        assert (workspace / "file").read_text() == "two\n"
    with pytest.raises(KeyboardInterrupt):
        interrupt(repository, Place(repository.with_name("here"), keep=False))
    assert left(repository) == (["repository"], 1)
    assert (file.read_text(), (repository / ".git/index").read_bytes()) == ("mine\n", index)


def interrupt(repository: Path, place: Place) -> None:
    """Check out, and fail there."""
    with checked_out(repository, head(repository), "", place) as workspace:
        assert workspace == place.folder
        raise KeyboardInterrupt


def test_a_kept_worktree_stays(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = repository.with_name("here")
    with checked_out(repository, head(repository), "", Place(here, keep=True)):
        pass
    assert f"git worktree remove --force {here}" in capsys.readouterr().err
    assert left(repository) == (["here", "repository"], 2)


SUBMODULE = (
    "diff --git a/x b/x\nindex 1..2\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n"
    "diff --git a/lib b/lib\nindex 1..2 160000\n--- a/lib\n+++ b/lib\n@@ -1 +1 @@\n"
    "-Subproject commit 12\n+Subproject commit 12-dirty\n"
)


@pytest.mark.parametrize(
    ("commit", "patch", "into", "message"),
    [
        ("0" * 40, "", None, "commit 0{40}: this repository does not have it; fetch it"),
        (
            None,
            "diff --git a/none b/none\n--- a/none\n+++ b/none\n@@ -1 +1 @@\n-1\n+2\n",
            None,
            "do not apply: none: No",
        ),
        (None, SUBMODULE, None, "submodule lib: was not as in its commit when the run was made"),
        (None, "", ".", "exists and is not empty; give a new folder"),
        (None, "", "repository/new", "lies in the repository; give a folder outside"),
    ],
)
def test_code_that_cannot_be_had(
    repository: Path, commit: str | None, patch: str, into: str | None, message: str
) -> None:
    place = Place(into and repository.parent / into, keep=True)
    with pytest.raises(UserError, match=message), checked_out(repository, commit or head(repository), patch, place):
        pass
    names, worktrees = left(repository)
    assert [name for name in names if not name.startswith("repository-reproduce-")] == ["repository"]
    assert worktrees == len(names), "what was asked to be kept is kept"


def test_a_folder_outside_of_git(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="is not in a git repository"),
        checked_out(tmp_path, "1", "", Place(None, False)),
    ):
        pass


def test_commands_of_the_worktree_lead_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "DVC_ROOT", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://example.org")
    found = surroundings(tmp_path)
    assert found.keys().isdisjoint({"GIT_DIR", "GIT_INDEX_FILE", "DVC_ROOT", "MLFLOW_EXPERIMENT_NAME"})
    assert found["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert found["PYTHONPATH"].startswith(f"{tmp_path}/src")
    with pytest.raises(ReproduceError, match="`false` failed with exit code 1"):
        run(tmp_path, "false")


REFUSED = {
    "sweep": "is a sweep; give one of its trials",
    "trial": "is pruned; only a run that has finished",
    "train": "was not made in a git repository",
}


def test_what_a_run_was_made_from(root: Path) -> None:
    """Of a teacher what its build was made from; a sweep, a pruned trial and a run outside of git are refused."""
    with track(make_build(), "teacher", tracking_uri(), {"data/augmented": "12.dir"}, GIT):
        pass
    with track(make_build(), "build", tracking_uri(), {"data/prepared": "34.dir"}, GIT):
        pass
    sweep = InSweep("key", "sweep x")
    with track(make_build(), "sweep", tracking_uri(), git=GIT, name="sweep x", sweep=sweep):
        pass
    with track(make_build(), "trial", tracking_uri(), git=GIT, name="sweep x #1", sweep=sweep) as trial:
        trial.set_tags({"sprout.trial_state": "PRUNED"})
    with track(make_build(), "train", tracking_uri(), nested=False):
        pass
    client = connect(tracking_uri())
    for role in ("build", "teacher"):
        origin = read_origin(client, runs_of(tracking_uri(), role=role)[0])
        assert (origin.facts.run.kind, origin.is_build) == ("build", True)
        assert (origin.commit, origin.lost) == ("c0ffee", ["notes.txt"])
        assert origin.patch == "--- a\r\n+++ b\n"
        assert origin.config == make_build().config
        assert origin.data == {"data/prepared": "34.dir", "data/augmented": "12.dir"}
    for role, message in REFUSED.items():
        with pytest.raises(UserError, match=message):
            read_origin(client, runs_of(tracking_uri(), role=role)[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.003, "train.x=0.003"),
        (None, "train.x=null"),
        (["a", 1], 'train.x=["a", 1]'),
        ("a b", 'train.x="a b"'),
        (MISSING, "~train.x"),
    ],
)
def test_a_setting_of_the_run_becomes_an_override(value: Any, text: str) -> None:
    assert override("train.x", value) == text


def judged(root: Path, *rows: dict[str, Any]) -> Verdict:
    """The verdict on two builds with these tags and metrics of their teachers, in one store."""
    for seed, row in enumerate(rows):
        with track(make_build(seed), "teacher", tracking_uri()) as run:
            run.log_metrics({"val_accuracy": row["accuracy"], "none": math.nan, "training_seconds": seed})
            run.log_curves({"val_loss": seed}, step=1)
            run.set_tags(row["tags"])
        with track(make_build(seed), "build", tracking_uri(), {"models/teacher": row["hash"]}):
            pass
    client, builds = connect(tracking_uri()), runs_of(tracking_uri(), role="build")
    for teacher, row in zip(runs_of(tracking_uri(), role="teacher"), rows, strict=True):
        for tag in (CPU, VERSIONS):
            client.set_tag(teacher.info.run_id, tag, row[tag])
    return judge(client, builds[0], client, builds[1])


def side(cpu: str = "A", torch: str = "1", weights: str = "ab", accuracy: float = 0.5, made: str = "1.dir") -> Any:
    versions = f'{{"torch": "{torch}", "python": "3.12"}}'
    return {"accuracy": accuracy, "tags": {WEIGHTS: weights}, CPU: cpu, VERSIONS: versions, "hash": made}


def test_an_equal_run(root: Path) -> None:
    verdict = judged(root, side(), side(torch="2"))
    assert verdict.same
    assert verdict.figures["teacher: val_accuracy"] == (0.5, 0.5)
    assert set(verdict.figures) == {"teacher: val_accuracy", "teacher: none"}
    assert sentence(verdict) == "the same bits: the weights of teacher, models/teacher and all 2 figures are equal"


def test_another_result_comes_with_what_has_changed(root: Path) -> None:
    verdict = judged(root, side(), side("B", "2", "cd", 0.75, "2.dir"))
    assert verdict.differing == {
        "teacher: weights": ("ab", "cd"),
        "models/teacher": ("1.dir", "2.dir"),
        "teacher: val_accuracy": (0.5, 0.75),
    }
    assert verdict.environment == {"CPU": ("A", "B"), "torch": ("1", "2")}
    assert sentence(verdict).startswith("another result: 3 differ; another CPU, torch can change")


FIGURES: dict[str, Any] = {"val_loss": (1.0, 1.0)}


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict({"model": (None, "ab")}, {}, FIGURES, {}, True), "the same figures: all 1 figures .* were not kept"),
        (Verdict({"model": ("cd", "ab")}, {}, FIGURES, {}, False), "1 differ; the run has not recorded its CPU"),
        (Verdict({"model": ("cd", "ab")}, {}, FIGURES, {}, True), "versions of libraries are as they were"),
    ],
)
def test_what_is_said_of_old_runs_and_of_chance(verdict: Verdict, said: str) -> None:
    assert re.search(said, sentence(verdict))


def printed(outcome: Outcome) -> Iterator[str]:
    return (line for line in lines(outcome) if isinstance(line, str))


def test_what_is_printed() -> None:
    data = [Data("data/prepared", "0123456789abcdef.dir", "team"), Data("data/pretrained", None, "made again", "9.dir")]
    outcome = Outcome("1" * 32, "digits", "build", "c0ffee", True, ["notes.txt"], ["train.seed"], data, None, None)
    assert list(printed(outcome)) == [
        f"run       {'1' * 32}, a build: digits",
        "code      commit c0ffee and the changes kept with it",
        "          without notes.txt, which the run has not kept",
        "settings  beside the overrides, as the run had them: train.seed",
        "data      data/prepared (0123456789ab): from the DVC remote team",
        "data      data/pretrained (its hash was not recorded): made again by its stage",
    ]
