"""Atomic writes of files and folders; JSON and CSV."""

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError

from sprout.runtime.files import (
    atomic_folder,
    atomic_write,
    kept_folder,
    read_json,
    scratch_folder,
    state_of,
    write_json,
    write_rows,
)
from sprout.runtime.signals import Killed, exit_codes


def content(root: Path) -> dict[str, str]:
    """Every file below, with its text."""
    return {str(p.relative_to(root)): p.read_text() for p in sorted(root.rglob("*")) if p.is_file()}


def write_old(root: Path) -> None:
    (root / "out" / "deep").mkdir(parents=True)
    (root / "out" / "deep" / "a").write_text("old")
    (root / "out" / "b").write_text("old")


OLD = {"out/b": "old", "out/deep/a": "old"}


def test_a_folder_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    write_old(tmp_path)
    with atomic_folder(tmp_path / "out") as folder:
        assert list(folder.iterdir()) == []
        (folder / "c").write_text("new")
        assert content(tmp_path / "out") == {"b": "old", "deep/a": "old"}
    assert content(tmp_path) == {"out/c": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a" / "b") as folder:
        (folder / "c").write_text("new")
    assert content(tmp_path) == {"a/b/c": "new"}


@pytest.mark.parametrize("fault", [ValueError("x"), KeyboardInterrupt(), Killed(15), SystemExit(1)])
def test_a_fault_leaves_the_older_folder_and_nothing_else(tmp_path: Path, fault: BaseException) -> None:
    def half() -> None:
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "c").write_text("half")
            raise fault

    write_old(tmp_path)
    with pytest.raises(type(fault)):
        half()
    assert content(tmp_path) == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("left", ["out.tmp-new", "out.tmp-old"])
def test_what_a_killed_attempt_left_is_removed(tmp_path: Path, left: str) -> None:
    (tmp_path / left).mkdir()
    (tmp_path / left / "torn").write_text("torn")
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "c").write_text("new")
    assert content(tmp_path) == {"out/c": "new"}


def test_the_older_folder_is_never_there_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill while the older one is deleted leaves the new one in place."""
    write_old(tmp_path)
    delete = shutil.rmtree

    def killed(path: Path, *args: Any, **kwargs: Any) -> None:
        if (path / "deep").exists():
            delete(path / "deep")
            raise Killed(15)
        delete(path, *args, **kwargs)

    def replace() -> None:
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "c").write_text("new")

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(Killed):
        replace()
    assert content(tmp_path / "out") == {"c": "new"}


def test_a_file_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with atomic_write(tmp_path / "a") as path:
        path.write_text("new")
        assert (tmp_path / "a").read_text() == "old"
    with atomic_write(tmp_path / "deep" / "b") as path:
        path.write_text("new")
    assert content(tmp_path) == {"a": "new", "deep/b": "new"}


@pytest.mark.parametrize("fault", [ValueError("x"), KeyboardInterrupt(), Killed(15)])
def test_a_fault_leaves_the_older_file_and_nothing_else(tmp_path: Path, fault: BaseException) -> None:
    def half() -> None:
        with atomic_write(tmp_path / "a") as path:
            path.write_text("half")
            raise fault

    (tmp_path / "a").write_text("old")
    with pytest.raises(type(fault)):
        half()
    assert content(tmp_path) == {"a": "old"}


def test_the_older_file_stays_where_the_change_of_place_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    def write() -> None:
        with atomic_write(tmp_path / "a") as path:
            path.write_text("new")

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write()
    assert content(tmp_path) == {"a": "old"}


@pytest.mark.parametrize("ends", [None, RuntimeError])
def test_a_scratch_folder_is_empty_and_then_gone(tmp_path: Path, ends: type[Exception] | None) -> None:
    (tmp_path / "scratch/left").mkdir(parents=True)
    with suppress(RuntimeError), scratch_folder(tmp_path / "scratch") as folder:
        assert list(folder.iterdir()) == []
        (folder / "much").write_bytes(b"1")
        if ends:
            raise ends
    assert not folder.exists()


@pytest.mark.parametrize("ends", [None, RuntimeError])
def test_a_kept_folder_stays_for_the_next_attempt_where_one_fails(tmp_path: Path, ends: type[Exception] | None) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/left").write_bytes(b"1")
    with suppress(RuntimeError), kept_folder(tmp_path / "kept") as folder:
        (folder / "more").write_bytes(b"2")
        if ends:
            raise ends
    assert content(tmp_path) == ({"kept/left": "1", "kept/more": "2"} if ends else {})


def test_the_state_of_a_file_changes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert state_of(path) == "[Errno 2] No such file or directory: '" + str(path) + "'"
    path.write_text("a")
    states = {state_of(path)}
    assert states == {state_of(path)}
    path.write_text("aa")
    os.utime(path, ns=(0, 0))
    states.add(state_of(path))
    path.chmod(0o600)
    assert len(states | {state_of(path)}) == 3


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"z": [1, 2.5, None, True], "a": {"name": "Größe"}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert list(read_json(tmp_path / "x.json")) == ["z", "a"]


def test_json_reads_well(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"ä": 1})
    assert (tmp_path / "x.json").read_bytes() == '{\n  "ä": 1\n}\n'.encode()


def test_rows(tmp_path: Path) -> None:
    rows = [{"name": "a,b", "value": 0.1}, {"value": None, "name": 'say "é"'}]
    write_rows(tmp_path / "x.csv", ["name", "value"], rows)
    assert (tmp_path / "x.csv").read_bytes() == 'name,value\n"a,b",0.1\n"say ""é""",\n'.encode()


def test_no_rows_have_a_head(tmp_path: Path) -> None:
    write_rows(tmp_path / "x.csv", ["name", "value"], [])
    assert (tmp_path / "x.csv").read_text() == "name,value\n"


def write_text(path: Path) -> None:
    path.write_text("x" * 100_000)


def write_array(path: Path) -> None:
    np.save(path, np.zeros(100_000))


def write_tensors(path: Path) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("write", [write_text, write_array, write_tensors])
@pytest.mark.parametrize("within", [atomic_folder, scratch_folder])
def test_a_full_disk_names_the_folder(
    tmp_path: Path, within: Callable[[Path], Any], write: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """`/dev/full` is a disk that is full, and these writers have errors of their own."""

    def fill() -> None:
        with exit_codes(), within(tmp_path / "models") as folder:
            (folder / "file.npy").symlink_to("/dev/full")
            write(folder / "file.npy")

    with pytest.raises(SystemExit) as ended:
        fill()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(
        f"error: {tmp_path}/models: No space left on device; free some space there"
    )
    assert not (tmp_path / "models").exists()


def test_an_error_that_names_its_own_file_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), exit_codes(), atomic_folder(tmp_path / "raw"):
        raise OSError(errno.ENOSPC, "No space left on device", "/a/from", None, "/b/to")
    assert capsys.readouterr().err.startswith("error: /b/to: No space left on device; ")
