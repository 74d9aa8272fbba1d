"""What a training goes on from: whole, or refused aloud."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from sprout.engine.checkpoints import KEPT, Checkpoints, State, checkpoint_folder, checksum, only_one
from sprout.engine.fingerprint import code, fingerprint
from sprout.runtime.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "teacher" / "0123456789abcdef"


@pytest.fixture
def checkpoints(folder: Path) -> Checkpoints:
    return Checkpoints(folder, "teacher")


def save(checkpoints: Checkpoints, step: int, **content: Any) -> Path:
    return checkpoints.save({"step": step, "weights": torch.full((500,), float(step)), **content}, step)


def restored(checkpoints: Checkpoints) -> State | None:
    """What was gone on from."""
    taken: list[State] = []
    done = checkpoints.restore(taken.append)
    assert done is bool(taken)
    return taken[0] if taken else None


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def foreign(path: Path) -> None:
    path.write_bytes(b"of another program")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [torn, empty, flipped, foreign, a_folder]


def test_the_newest_is_gone_on_from(checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]) -> None:
    save(checkpoints, 3)
    path = save(checkpoints, 12)
    state = restored(checkpoints)
    assert state is not None
    assert state["step"] == 12
    assert torch.equal(state["weights"], torch.full((500,), 12.0))
    assert capsys.readouterr().err == f"teacher: goes on after step 12, from {path}\n"


def test_its_name_tells_the_step_and_its_checksum(checkpoints: Checkpoints) -> None:
    path = save(checkpoints, 12)
    assert path.name == f"step-0000000012-{checksum(path.read_bytes())}.ckpt"


def test_the_last_two_are_kept(checkpoints: Checkpoints, folder: Path) -> None:
    paths = [save(checkpoints, step) for step in (1, 2, 10, 100)]
    assert KEPT == 2
    assert sorted(folder.iterdir()) == sorted(paths[-2:])
    assert checkpoints.found() == paths[:1:-1]


def test_one_of_the_same_step_takes_the_place_of_none_but_the_oldest(checkpoints: Checkpoints) -> None:
    """After the last step of an epoch and after its validation the step is the same, and the state is not."""
    first, before, after = save(checkpoints, 1), save(checkpoints, 4), save(checkpoints, 4, validated=True)
    assert not first.exists()
    assert checkpoints.found() == [after, before]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_refused_aloud_and_the_one_before_is_used(
    damage: Any, checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = save(checkpoints, 4), save(checkpoints, 8)
    damage(newer)
    state = restored(checkpoints)
    assert state is not None
    assert state["step"] == 4
    refused, gone_on = capsys.readouterr().err.splitlines()
    assert refused.startswith(f"teacher: {newer} is refused")
    assert not newer.is_file()
    assert gone_on == f"teacher: goes on after step 4, from {older}"


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_all_are_damaged_it_says_that_it_starts_anew(
    damage: Any, checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (save(checkpoints, 4), save(checkpoints, 8)):
        damage(path)
    assert restored(checkpoints) is None
    said = capsys.readouterr().err.splitlines()
    assert ["is refused" in line for line in said] == [True, True, False]
    assert said[-1] == "teacher: starts anew, as no checkpoint can be used"


def test_damaged_ones_make_room_for_new_ones(checkpoints: Checkpoints) -> None:
    damaged = save(checkpoints, 8)
    torn(damaged)
    save(checkpoints, 2)
    newest = save(checkpoints, 4)
    state = restored(checkpoints)
    assert state is not None
    assert state["step"] == 4
    assert newest.exists()


@pytest.mark.parametrize(
    "error", [UserError("of another network"), KeyError("best"), TypeError("no such field"), RuntimeError("size")]
)
def test_one_that_does_not_fit_is_refused_aloud(
    error: Exception, checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    save(checkpoints, 4)
    newer = save(checkpoints, 8)

    def take(state: State) -> None:
        if state["step"] == 8:
            raise error

    assert checkpoints.restore(take)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"teacher: {newer} is refused: ")
    assert "goes on after step 4" in said[1]


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.folder,)


def test_one_that_would_run_code_is_refused(
    checkpoints: Checkpoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoints.save({"trap": Trap(tmp_path / "sprung")}, 4)
    assert checksum(path.read_bytes()) in path.name
    assert restored(checkpoints) is None
    assert "is refused" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()


def test_a_save_that_fails_leaves_the_ones_before(checkpoints: Checkpoints, folder: Path) -> None:
    paths = [save(checkpoints, 4), save(checkpoints, 8)]
    before = [path.read_bytes() for path in paths]
    with pytest.raises(AttributeError):
        save(checkpoints, 12, unwritable=lambda: None)
    assert sorted(folder.iterdir()) == paths
    assert [path.read_bytes() for path in paths] == before


def test_what_is_left_of_others_is_said(checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]) -> None:
    assert restored(checkpoints) is None
    assert capsys.readouterr().err == ""
    other = checkpoints.folder.parent / "other"
    other.mkdir()
    (other / "lock").touch()
    assert restored(checkpoints) is None
    assert capsys.readouterr().err == "", "nothing to go on from lies there"
    (other / "step-0000000004-0123456789abcdef.ckpt").touch()
    assert restored(checkpoints) is None
    assert f"{checkpoints.folder.parent} holds what is left of 1 other trainings" in capsys.readouterr().err


def test_one_of_several_processes_speaks(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(checkpoints, 4)
    monkeypatch.setenv("RANK", "1")
    assert restored(checkpoints) is not None
    assert capsys.readouterr().err == ""


def test_they_lie_in_the_main_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert checkpoint_folder("teacher", "abc") == tmp_path / "build" / "checkpoints" / "teacher" / "abc"


def test_the_folder_is_there_while_it_is_held(folder: Path) -> None:
    with only_one(folder / "inner"):
        assert (folder / "inner").is_dir()


def test_the_second_training_of_the_same_settings_waits_and_finds_all_done(folder: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with only_one(folder):
            order.append("second" if folder.is_dir() else "no folder")

    with only_one(folder):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.3)
        order.append("first")
        shutil.rmtree(folder)
    waiting.join(60)
    assert order == ["first", "second"]
    with only_one(folder):
        shutil.rmtree(folder)
    assert list(folder.parent.iterdir()) == [], "the lock goes, too"


def test_the_fingerprint_reads_the_code_that_trains_and_no_other() -> None:
    names = {path.name for path in code()}
    assert {"loop.py", "tasks.py", "fit.py", "augment.py", "cnn.py", "store.py", "noise.py"} <= names
    assert not {"page.py", "evaluate.py", "cli.py", "journal.py"} & names


def test_the_fingerprint_reads_the_users_own_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine_net.py").write_text("width = 1\n")
    settings = {"card": {"architecture": {"name": "target", "target": "mine_net.Net"}}, "optimizer": {"name": "adam"}}
    before = fingerprint(settings, [])
    assert fingerprint(settings, []) == before
    (tmp_path / "mine_net.py").write_text("width = 2\n")
    assert fingerprint(settings, []) != before
