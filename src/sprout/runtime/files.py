"""Files and folders that are never half-written, and JSON and CSV in one format."""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sprout.runtime.disk import naming
from sprout.runtime.errors import UserError, one_line


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` that replaces it when the block ends without an exception.

    Leftovers of an earlier attempt that was killed are removed.
    """
    beside, old = (folder.with_name(f"{folder.name}.tmp-{suffix}") for suffix in ("new", "old"))
    for leftover in (beside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    with naming(folder):
        beside.mkdir(parents=True)
        try:
            yield beside
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        if folder.exists():
            os.replace(folder, old)
        os.replace(beside, folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path beside `path` whose file replaces it when the block ends without an exception."""
    beside = path.with_name(f"{path.name}.tmp-new")
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def name_beside(path: Path) -> Path:
    """A new name beside `path`, which no other process takes on any machine: several may write the same file."""
    return path.with_name(f"{path.name}.tmp-{os.urandom(16).hex()}")


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """An empty folder that is removed when the block ends; leftovers of a killed attempt are removed first."""
    shutil.rmtree(folder, ignore_errors=True)
    with naming(folder):
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def kept_folder(folder: Path) -> Iterator[Path]:
    """A folder that is removed when the block ends without an exception. Otherwise the next attempt finds its files."""
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        except BaseException:
            with suppress(OSError):  # there are files in it
                folder.rmdir()
            raise
        shutil.rmtree(folder, ignore_errors=True)


def state_of(path: str | Path) -> str:
    """Return what changes with the content of a file: its length, and its times in ns; or why it cannot be found."""
    try:
        state = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        return one_line(error)
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"


def write_json(path: Path, value: object) -> None:
    """Write JSON, indented, keys in the order of `value`."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        UserError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(
            f"{path}: damaged, no JSON ({one_line(error)}); delete it; `dvc repro`, or the command that made it, makes "
            "it again"
        ) from None


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, by the names in its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV, with the header even if there are no rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
