"""Checksums beside files, in the format of `sha256sum`: damage is noticed before anything is computed from it."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sprout.runtime.errors import UserError

SUMS = "SHA256SUMS"
REMEDY = "`dvc repro` makes it again"
"""What helps against damage of what a stage has written."""
VERIFIED = Path("build/verified")
"""An empty file for each check of large files, named by what they were when they passed it."""


def write_sums(folder: Path, names: Sequence[str]) -> None:
    """Write the SHA-256 of these files of a folder into its `SHA256SUMS`, which `sha256sum --check` reads."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def renew_sum(folder: Path, name: str) -> None:
    """Write the SHA-256 of this file of a folder into its `SHA256SUMS`; those of other files stay as they are."""
    path = folder / SUMS
    recorded = (read_sums(path) if path.is_file() else {}) | {name: sha256(folder / name)}
    path.write_text("".join(f"{each}  {other}\n" for other, each in recorded.items()), encoding="utf-8")


def check_sums(folder: Path, names: Sequence[str], remedy: str) -> None:
    """Compare these files of a folder with its `SHA256SUMS`.

    Args:
        folder: with all of the files.
        names: of the files.
        remedy: what makes them again, such as "`dvc repro` makes it again".

    Raises:
        UserError: a file is not as it was written, or nothing says how it was written.
    """
    path = folder / SUMS
    recorded = read_sums(path) if path.is_file() else {}
    for name in names:
        if name not in recorded:
            raise UserError(
                f"{path}: has no checksum of {name}, whose damage would not be noticed; {remedy}; to keep the files "
                f"as they are: (cd {folder} && sha256sum {' '.join(names)} >> {SUMS})"
            )
        if (found := sha256(folder / name)) != recorded[name]:
            raise UserError(
                f"{folder / name}: damaged or changed: its SHA-256 is {found}, {path} has {recorded[name]}; {remedy}"
            )


def check_sha256(path: Path, wanted: str, remedy: str) -> None:
    """Compare a file with its SHA-256.

    Raises:
        UserError: it has another one; ends with the remedy.
    """
    if (found := sha256(path)) != wanted:
        raise UserError(f"{path}: damaged or changed: its SHA-256 is {found}, not {wanted}; {remedy}")


def once_per_change(paths: Sequence[Path], check: Callable[[], None]) -> None:
    """Check files, unless they have passed the check and their sizes and times of change are still the same.

    Args:
        paths: what the check depends on; some may be missing.
        check: raises an error for files that do not pass.
    """
    files = []
    for path in paths:
        with suppress(FileNotFoundError):
            found = path.stat()
            files.append((path.name, found.st_size, found.st_mtime_ns))
    place, state = (hashlib.sha256(repr(each).encode()).hexdigest()[:16] for each in (paths[0].absolute(), files))
    mark = VERIFIED / place[:2] / f"{place[2:]}-{state}"  # a store may have 35,000 files
    if mark.exists():
        return
    check()
    with suppress(OSError):  # without the mark they are checked again
        mark.parent.mkdir(parents=True, exist_ok=True)
        for earlier in mark.parent.glob(f"{place[2:]}-*"):
            earlier.unlink(missing_ok=True)
        mark.touch()


def read_sums(path: Path) -> dict[str, str]:
    """The checksums of a file that `sha256sum` or `write_sums` has written, by name; other lines are left out."""
    lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    return {words[1].lstrip("*"): words[0] for words in lines if len(words) == 2}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
