"""A list of images without a header, `images/1.jpg 0` in each line, as Caffe and torchvision's users write it."""

import re
from pathlib import Path

import pyarrow as pa

from sprout.data.formats.file_tree import IMAGE_SUFFIXES
from sprout.data.formats.memory_table import MemoryTable
from sprout.runtime.errors import UserError

LIST_SUFFIX = ".txt"
PATH, LABEL = "path", "label"
"""The columns of the table that a list is read as."""
LINE = re.compile(
    rf"(.+?(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))}))(?:(?:[ \t]*[,;]|[ \t])[ \t]*(\S+))?", re.IGNORECASE
)
"""A path that ends like an image's; then perhaps a separator, and a label without spaces."""
SEEN = 20
"""Lines by which a list is recognised."""
START = 64 << 10
"""Bytes that are read for it."""


def is_path_list(path: Path) -> bool:
    """Whether the first lines of a text file are those of a list."""
    if path.suffix.lower() != LIST_SUFFIX or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(START)
    whole = start if len(start) < START else start.rpartition(b"\n")[0]
    lines = [line for line in whole.decode("utf-8-sig", "replace").splitlines() if line.strip()][:SEEN]
    matches = [LINE.fullmatch(line.strip()) for line in lines]
    return bool(lines) and all(matches) and len({bool(match and match[2]) for match in matches}) == 1


def open_path_list(path: Path, name: str) -> MemoryTable:
    """Read a list as a table with the columns `path` and `label`, or without labels `path` alone.

    Raises:
        UserError: it is not UTF-8, or a line is not `PATH LABEL`, or `PATH` where the first line is.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{name}: not UTF-8 text; save the file as UTF-8") from None
    rows: list[tuple[str, str | None]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line.strip())
        if match is None or (rows and (match[2] is None) != (rows[0][1] is None)):
            raise UserError(f"{name}: line {number} is {line.strip()[:80]!r}, not a path and a label; correct it")
        rows.append((match[1], match[2]))
    paths, labels = zip(*rows, strict=True) if rows else ((), ())
    columns = {PATH: pa.array(paths, pa.string())}
    if rows and rows[0][1] is not None:
        columns[LABEL] = pa.array(labels, pa.string())
    return MemoryTable(name, pa.table(columns))
