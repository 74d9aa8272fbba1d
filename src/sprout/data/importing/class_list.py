"""Names of numbered classes, as a list beside a table has them: one in each line, with or without its number."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sprout.data.formats.path_list import is_path_list

NAMES = tuple(
    f"{name}.txt"
    for name in ("classes", "class_names", "classnames", "class_list", "label_names", "labels", "names", "categories")
)
"""Usual names of such a list."""


class ClassList(NamedTuple):
    """A list of class names that lies beside a table."""

    file: str
    names: tuple[str, ...] | None
    """By index; None if they do not fit the labels."""


def class_list(folders: Sequence[Path], labels: Sequence[str]) -> ClassList | None:
    """Return the list of class names in one of these folders; None if there is none, or the labels are not numbers.

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
            fits = distinct and all(int(label) < len(names) for label in labels)
            return ClassList(path.name, names if fits else None)
    return None


def names_in(path: Path) -> tuple[str, ...]:
    """Return the names in a list, by the number that each line begins or ends with, if all do.

    Returns:
        none if the file is not UTF-8, or the numbers are not those from 0 on.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        return ()
    for pattern in (r"(?P<number>\d+)[\s:,;]+(?P<name>.+)", r"(?P<name>.+?)[\s:,;]+(?P<number>\d+)"):
        matches = [match for line in lines if (match := re.fullmatch(pattern, line))]
        if len(matches) == len(lines):
            by_number = {int(match["number"]): match["name"] for match in matches}
            whole = sorted(by_number) == list(range(len(lines)))
            return tuple(by_number[number] for number in range(len(lines))) if whole else ()
    return tuple(lines)
