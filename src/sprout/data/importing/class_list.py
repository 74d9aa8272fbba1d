"""Names of numbered classes, as a list beside a table has them: one in each line, with or without its number."""

import re
from collections.abc import Sequence
from pathlib import Path

from sprout.data.formats.path_list import is_path_list

NAMES = tuple(
    f"{name}.txt"
    for name in ("classes", "class_names", "classnames", "class_list", "label_names", "labels", "names", "categories")
)
"""Usual names of such a list."""


def class_list(folders: Sequence[Path], labels: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """Return the name of a list in one of these folders and its class names, if they fit the labels; else None.

    Args:
        folders: where to look.
        labels: the distinct labels of a table; names fit whole numbers from 0 on that are all less than their count.
    """
    if not all(label.isdecimal() for label in labels):
        return None
    for path in (folder / name for folder in folders for name in NAMES):
        if path.is_file() and not is_path_list(path):
            names = names_in(path)
            distinct = len(set(names)) == len(names) >= 2 and not any(name.isdecimal() for name in names)
            if distinct and all(int(label) < len(names) for label in labels):
                return path.name, names
    return None


def names_in(path: Path) -> tuple[str, ...]:
    """Return the names in a list, without the number that each line begins or ends with; none if it is not UTF-8."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        return ()
    for pattern in (r"{}[\s:,]+(.+)", r"(.+?)[\s:,]+{}"):
        matches = [re.fullmatch(pattern.format(number), line) for number, line in enumerate(lines)]
        if all(matches):
            return tuple(match[1] for match in matches if match)
    return tuple(lines)
