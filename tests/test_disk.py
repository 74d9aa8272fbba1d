"""A full, read-only or forbidden disk is said in one line that names the place."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sprout.runtime.disk import DiskError, disk_error, naming
from sprout.runtime.errors import UserError
from sprout.runtime.signals import exit_codes

ROOT = Path(__file__).parents[1]
LIMIT = 20_000
"""Bytes that a file of the process may have."""
HEAD = f"""
import resource, sys
from pathlib import Path
import numpy as np
from sprout.runtime.files import atomic_folder, atomic_write, write_json
from sprout.runtime.signals import exit_codes
resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT}))
many = np.random.default_rng(0).integers(0, 2**62, {LIMIT})
with exit_codes():
"""
WRITERS = {
    "text": "with atomic_write(Path('out')) as path: path.write_bytes(many.tobytes())",
    "json": "with atomic_folder(Path('out')) as folder: write_json(folder / 'a.json', many.tolist())",
    "npy": "with atomic_folder(Path('out')) as folder: np.save(folder / 'a.npy', many)",
    "store": """
    from sprout.data.store import label_table
    from sprout.data.store_writer import write_store
    with atomic_folder(Path('out')) as folder:
        table = label_table(many, many, source="given", group=many, origin=list(map(str, many)))
        write_store(folder, many.astype(np.float32)[:, None][:100], table.slice(0, 100))
        write_store(folder, many.astype(np.float32)[:, None], table)""",
    "labels": """
    from sprout.data.store import label_table, write_labels
    with atomic_folder(Path('out')) as folder:
        write_labels(folder, label_table(many, many, source="given", group=many, origin=list(map(str, many))))""",
    "weights": """
    import torch
    from sprout.weights.tensor_file import save_tensors
    save_tensors(Path('out'), {"a": torch.from_numpy(many)})""",
    "checkpoint": """
    import torch
    from sprout.engine.checkpoints import Checkpoints
    Checkpoints(Path('out'), "teacher").save({"a": torch.from_numpy(many)}, 3)""",
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_names_the_place(writer: str, tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", f"{HEAD}    {WRITERS[writer]}\n"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: out")
    assert "ulimit -f" in line
    assert done.returncode == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_full_device() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    with pytest.raises(DiskError) as raised, naming(Path("models/teacher")):
        Path("/dev/full").write_text("a")
    assert str(raised.value) == (
        "models/teacher: No space left on device; free some space there, then run the command again"
    )


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM])
def test_a_file_that_the_error_names_is_the_place(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, exit_codes(), naming(Path("out")):
        raise OSError(number, os.strerror(number), "build/stage.lock")
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: build/stage.lock: {os.strerror(number)}; ")
    assert said.count("\n") == 1


def test_without_a_better_place_it_is_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit), exit_codes():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}: No space left on device; ")


def test_what_is_forbidden_beside_the_disk_is_no_error_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A process of somebody else, a socket: the error names no file, unless the block that writes one does."""
    with pytest.raises(PermissionError), exit_codes():
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    with pytest.raises(SystemExit), exit_codes(), naming(Path("out")):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    assert capsys.readouterr().err.startswith("error: out: Operation not permitted; ")


def test_a_folder_that_does_not_fit(tmp_path: Path) -> None:
    """`shutil.copytree` raises an error without a number, of all that it could not copy."""
    (tmp_path / "model/folds/0").mkdir(parents=True)
    (tmp_path / "model/metrics.json").write_text("{}")
    for folder in ("", "folds/0"):
        (tmp_path / "model" / folder / "weights").write_bytes(bytes(2 * LIMIT))
    code = f"with atomic_folder(Path('out')) as folder: shutil.copytree('{tmp_path}/model', folder, dirs_exist_ok=True)"
    head = HEAD.replace("import resource, sys", "import resource, shutil, sys")
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", f"{head}    {code}\n"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: out.tmp-new/")
    assert "ulimit -f" in line
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[Errno 28] No space left on device: 'model/a' -> 'out/a'", "out/a: No space left on device; "),
        ("[Errno 28] No space left on device", "out/b: No space left on device; "),
        ("[Errno 13] Permission denied: 'model/a'", "model/a: Permission denied; "),
        ("[Errno 2] No such file or directory: 'model/a'", None),
        ("something else", None),
    ],
)
def test_a_file_that_could_not_be_copied_is_the_place(text: str, line: str | None) -> None:
    missing = ("model/c", "out/c", "[Errno 2] No such file or directory: 'model/c'")
    found = disk_error(shutil.Error([missing, ("model/b", "out/b", text)]), Path("out"))
    assert str(found).startswith(line) if line else found is None
    assert disk_error(shutil.Error("'a' and 'a' are the same file"), Path("out")) is None


def test_the_innermost_place_is_said() -> None:
    with pytest.raises(DiskError, match=r"^inner: "), naming(Path("outer")), naming(Path("inner")):
        raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize(
    "error",
    [OSError("no space left"), FileNotFoundError(2, "x"), UserError("a (os error 28)"), ValueError("a"), KeyError(28)],
)
def test_any_other_error_stays_as_it_is(error: Exception) -> None:
    def fail() -> None:
        with naming(Path("out")):
            raise error

    same: Callable[[], None] = fail
    with pytest.raises(type(error)) as raised:
        same()
    assert raised.value is error
    assert disk_error(error, Path("out")) is None
