"""What a training goes on from: whole, or refused aloud."""

from pathlib import Path
from typing import Any

import pytest
import torch

from sprout.training.checkpoints import WholeCheckpoints, checkpoint_folder, only_one, resume_from
from sprout.training.fingerprint import code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "teacher" / "0123456789abcdef"
    made.mkdir(parents=True)
    return made


def save(folder: Path, **content: Any) -> Path:
    path = folder / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 4, **content}, path)
    return path


def test_a_whole_one_is_gone_on_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(folder)
    assert resume_from(folder, "teacher") == path
    assert f"teacher: goes on after epoch 5, from {path}" in capsys.readouterr().err


def test_a_torn_one_is_refused_aloud_and_does_not_stand_in_the_way(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(folder, weights=torch.zeros(1000))
    path.write_bytes(path.read_bytes()[:2000])
    assert resume_from(folder, "teacher") is None
    assert f"teacher: starts anew, as {path} cannot be read" in capsys.readouterr().err
    assert not path.exists()


def test_one_that_would_be_unpickled_is_refused(folder: Path) -> None:
    torch.save({"epoch": 4, "code": Path("x")}, folder / "last.ckpt")
    assert resume_from(folder, "teacher") is None


def test_what_is_left_of_others_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume_from(folder, "teacher") is None
    assert capsys.readouterr().err == ""
    (folder.parent / "other").mkdir()
    assert resume_from(folder, "teacher") is None
    assert f"{folder.parent} holds what is left of 1 other trainings" in capsys.readouterr().err


def test_a_save_that_fails_leaves_the_one_before(folder: Path) -> None:
    path = save(folder)
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        save(folder, unwritable=lambda: None)
    assert path.read_bytes() == before
    assert [p.name for p in folder.iterdir()] == ["last.ckpt"]


def test_they_lie_in_the_main_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert checkpoint_folder("teacher", "abc") == tmp_path / "build" / "checkpoints" / "teacher" / "abc"


def test_the_folder_is_there_while_it_is_held(folder: Path) -> None:
    with only_one(folder / "inner"):
        assert (folder / "inner").is_dir()


def test_the_fingerprint_reads_the_code_that_trains_and_no_other() -> None:
    names = {path.name for path in code()}
    assert {"classify.py", "fit.py", "augment.py", "cnn.py", "store.py"} <= names
    assert not {"page.py", "evaluate.py", "cli.py", "journal.py"} & names
