"""Checkpoints: a training resumes from an undamaged one, and says which are refused."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from sprout.engine.checkpoints import KEPT, Checkpoints, State, checkpoint_folder, checksum, only_one, spent_seconds
from sprout.runtime.candidates import candidate_folder
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
    """The state that was resumed."""
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


def test_a_training_resumes_from_the_newest(checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]) -> None:
    save(checkpoints, 3)
    path = save(checkpoints, 12)
    state = restored(checkpoints)
    assert state is not None
    assert state["step"] == 12
    assert torch.equal(state["weights"], torch.full((500,), 12.0))
    said = capsys.readouterr().err
    assert said.startswith("teacher: ")
    assert "step 12" in said
    assert str(path) in said


def test_its_name_holds_the_step_and_the_checksum(checkpoints: Checkpoints) -> None:
    path = save(checkpoints, 12)
    assert path.name == f"step-0000000012-{checksum(path.read_bytes())}.ckpt"


def test_the_last_two_are_kept(checkpoints: Checkpoints, folder: Path) -> None:
    paths = [save(checkpoints, step) for step in (1, 2, 10, 100)]
    assert KEPT == 2
    assert sorted(folder.glob("step-*")) == sorted(paths[-2:])
    assert checkpoints.found() == paths[:1:-1]


def test_of_two_at_the_same_step_the_later_one_is_the_newest(checkpoints: Checkpoints) -> None:
    """After the last step of an epoch and after its validation the step is the same, and the state is not."""
    first, before, after = save(checkpoints, 1), save(checkpoints, 4), save(checkpoints, 4, validated=True)
    assert not first.exists()
    assert checkpoints.found() == [after, before]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_refused_with_a_message_and_the_one_before_is_used(
    damage: Any, checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = save(checkpoints, 4), save(checkpoints, 8)
    damage(newer)
    state = restored(checkpoints)
    assert state is not None
    assert state["step"] == 4
    refused, resumed = capsys.readouterr().err.splitlines()
    assert refused.startswith(f"teacher: {newer} is refused")
    assert not newer.is_file()
    assert "step 4" in resumed
    assert str(older) in resumed


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_all_are_damaged_it_says_that_it_starts_from_the_beginning(
    damage: Any, checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (save(checkpoints, 4), save(checkpoints, 8)):
        damage(path)
    assert restored(checkpoints) is None
    said = capsys.readouterr().err.splitlines()
    assert ["is refused" in line for line in said] == [True, True, False]
    assert "starts from the beginning" in said[-1]


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
def test_one_that_does_not_fit_is_refused_with_a_message(
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
    assert "resumes after step 4" in said[1]


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
    assert sorted(folder.glob("step-*")) == paths
    assert [path.read_bytes() for path in paths] == before


def test_checkpoints_of_other_trainings_are_mentioned(
    checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restored(checkpoints) is None
    assert capsys.readouterr().err == ""
    other = checkpoints.folder.parent / "other"
    other.mkdir()
    (other / "lock").touch()
    assert restored(checkpoints) is None
    assert capsys.readouterr().err == "", "it has no checkpoints"
    (other / "step-0000000004-0123456789abcdef.ckpt").touch()
    assert restored(checkpoints) is None
    said = capsys.readouterr().err
    assert "starts from the beginning" in said
    assert f"1 in {checkpoints.folder.parent} are of other settings or data" in said


def test_only_rank_0_prints(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(checkpoints, 4)
    monkeypatch.setenv("RANK", "1")
    assert restored(checkpoints) is not None
    assert capsys.readouterr().err == ""


def test_they_are_in_the_main_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert checkpoint_folder("teacher") == tmp_path / "build" / "checkpoints" / "teacher"
    assert candidate_folder("control") == tmp_path / "build" / "candidates" / "control"


def test_the_folder_exists_while_it_is_locked(folder: Path) -> None:
    with only_one(folder / "inner"):
        assert (folder / "inner").is_dir()


def test_the_second_of_two_equal_trainings_waits_and_then_starts_with_an_empty_folder(folder: Path) -> None:
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
    assert list(folder.parent.iterdir()) == [], "the lock is removed, too"


def test_half_written_checkpoints_of_a_kill_are_removed(checkpoints: Checkpoints, folder: Path) -> None:
    kept = save(checkpoints, 3)
    (folder / "step-0000000004-0.ckpt.tmp-new").write_bytes(b"half")
    with only_one(folder):
        assert sorted(folder.iterdir()) == sorted([kept, folder / "seconds.json"])


def test_the_seconds_of_all_attempts_add_up(
    checkpoints: Checkpoints, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spent_seconds(folder) == 0
    save(checkpoints, 3)
    first = spent_seconds(folder)
    assert 0 < first < 60
    (folder / "seconds.json").write_text("1000")
    again = Checkpoints(folder, "teacher")
    save(again, 4)
    assert 1000 < spent_seconds(folder) < 1060
