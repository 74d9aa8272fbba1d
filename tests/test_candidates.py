"""Finished trainings are kept until a later stage of the same workspace begins."""

from pathlib import Path

import pytest

from sprout.runtime.candidates import Candidate, candidate_folder, release_taken


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path


def made(role: str, name: str) -> Path:
    folder = candidate_folder(role) / name
    folder.mkdir(parents=True)
    (folder / "model.json").touch()
    return folder


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
    assert len([*(workspace / "main").rglob("*.handed")]) == 2 * kept


def test_what_another_workspace_or_no_stage_has_handed_over_is_kept(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, unfinished, unreadable = made("teacher", "abc"), made("control", "def"), made("control", "ghi")
    Candidate(theirs, ()).hand_over("train")
    unreadable.with_name("ghi.handed").write_text("{")
    (workspace / "other").mkdir()
    monkeypatch.chdir(workspace / "other")
    release_taken("report")
    assert all(folder.is_dir() for folder in (theirs, unfinished, unreadable))
    monkeypatch.chdir(workspace / "copy")
    release_taken("report")
    assert [folder.is_dir() for folder in (theirs, unfinished, unreadable)] == [False, True, True]
