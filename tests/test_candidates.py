"""Finished trainings are kept until a later stage of each workspace that uses them begins."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from sprout.runtime.candidates import STAGES, Candidate, candidate_folder, release_taken, take
from sprout.runtime.files import read_json


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    for name in ("main", "copy", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path


def made(role: str, name: str) -> Path:
    folder = candidate_folder(role) / name
    folder.mkdir(parents=True)
    (folder / "model.json").touch()
    assert take(folder)
    return folder


def test_the_stages_are_those_of_the_pipeline_in_its_order() -> None:
    """Each depends on what the one before has written, so that DVC has recorded that when it begins."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    assert tuple(stages)[-len(STAGES) :] == STAGES
    for before, stage in pairwise(STAGES):
        assert set(stages[before]["outs"]) & set(stages[stage]["deps"]), f"{stage} may begin before {before} has ended"


@pytest.mark.parametrize(
    ("handed", "begins", "kept"),
    [
        ("train", "train", True),
        ("train", "compose", True),
        ("train", "pseudo_label", False),
        ("train", "report", False),
        ("retrain", "train", True),
        ("retrain", "evaluate", False),
    ],
)
def test_a_later_stage_removes_a_model_with_its_folds(workspace: Path, handed: str, begins: str, kept: bool) -> None:
    model, fold = made("teacher", "abc"), made("fold", "def")
    Candidate(model, (fold,)).hand_over(handed)
    release_taken(begins)
    assert (model.is_dir(), fold.is_dir()) == (kept, kept)
    assert len([*(workspace / "main").rglob("*.users")]) == 2 * kept


def test_what_another_workspace_or_no_stage_has_handed_over_is_kept(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, unfinished = made("teacher", "abc"), made("control", "def")
    unreadable, strange = made("control", "ghi"), made("control", "jkl")
    Candidate(theirs, ()).hand_over("train")
    unreadable.with_name("ghi.users").write_text("{")
    strange.with_name("jkl.users").write_text('{"../copy": {"step": "train"}, "a": 3}')
    folders = (theirs, unfinished, unreadable, strange)
    monkeypatch.chdir(workspace / "other")
    release_taken("report")
    assert all(folder.is_dir() for folder in folders)
    monkeypatch.chdir(workspace / "copy")
    release_taken("report")
    assert [folder.is_dir() for folder in folders] == [False, True, True, True]
    assert not take(theirs), "it is gone"
    assert take(unreadable)


@pytest.mark.parametrize("first", ["copy", "other"])
def test_a_model_of_two_workspaces_stays_until_both_are_done(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    model = made("teacher", "abc")
    monkeypatch.chdir(workspace / "other")
    assert take(model)
    for name in (first, {"copy": "other", "other": "copy"}[first]):
        assert model.is_dir()
        monkeypatch.chdir(workspace / name)
        Candidate(model, ()).hand_over("train")
        release_taken("pseudo_label")
    assert not model.exists()


def test_a_model_that_is_taken_again_is_in_use_again(workspace: Path) -> None:
    model = made("teacher", "abc")
    Candidate(model, ()).hand_over("train")
    assert take(model)
    release_taken("pseudo_label")
    assert model.is_dir()


def test_folds_that_another_workspace_uses_are_not_discarded(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, shared = made("fold", "abc"), made("fold", "def")
    monkeypatch.chdir(workspace / "other")
    take(shared)
    monkeypatch.chdir(workspace / "copy")
    Candidate(workspace / "model", (ours, shared)).discard_folds()
    assert (ours.exists(), shared.exists()) == (False, True)
    assert read_json(shared.with_name("def.users")) == {"../other": {}}


@pytest.mark.parametrize(("begins", "kept"), [("train", True), ("pseudo_label", False)])
def test_a_workspace_that_is_gone_has_no_say(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, begins: str, kept: bool
) -> None:
    """DVC removes the copy of an experiment that was killed; the same stage of the next copy takes the model."""
    model, interrupted = made("teacher", "abc"), made("control", "def")
    Candidate(model, ()).hand_over("train")
    monkeypatch.chdir(workspace / "other")
    shutil.rmtree(workspace / "copy")
    release_taken(begins)
    assert (model.exists(), interrupted.exists()) == (kept, True)


def test_a_workspace_that_is_moved_finds_its_own_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace / "main")
    Candidate(made("teacher", "abc"), ()).hand_over("train")
    (workspace / "main").rename(workspace / "moved")
    monkeypatch.setenv("DVC_ROOT", str(workspace / "moved"))
    monkeypatch.chdir(workspace / "moved")
    assert take(candidate_folder("teacher") / "abc")
    assert read_json(candidate_folder("teacher") / "abc.users") == {".": {}}


@pytest.mark.parametrize(("after", "kept"), [(None, True), ("other: {outs: 2}", True), ("train: {outs: 2}", False)])
def test_a_stage_that_dvc_has_recorded_and_runs_again_trains_again(
    workspace: Path, after: str | None, kept: bool
) -> None:
    """As `dvc repro -f train` does. Killed before the record, it takes what it has made."""
    lock = Path("dvc.lock")
    lock.write_text("schema: '2.0'\nstages:\n  train: {outs: 1}\n")
    model = made("teacher", "abc")
    Candidate(model, ()).hand_over("train")
    if after:
        given = {} if after.startswith("train") else {"train": {"outs": 1}}
        lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": given | yaml.safe_load(after)}))
    release_taken("train")
    assert model.exists() == kept
