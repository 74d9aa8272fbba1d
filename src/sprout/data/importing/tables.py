"""Tables: whether their rows are paths of images, pixels or features, and which column says what."""

import math
import re
from pathlib import Path
from typing import Any

from sprout.data.formats.csv_file import CsvFile
from sprout.data.formats.numbers import bytes_of
from sprout.data.formats.pixel_file import LABELS
from sprout.data.formats.text_table import open_table
from sprout.data.importing.columns import GROUPS, Sampled, is_number, no_features, path_column, sampled, split_column
from sprout.runtime.errors import UserError

PIXEL = re.compile(r"(pixel|px|p)?[ _-]?[0-9]+|[0-9]+x[0-9]+", re.IGNORECASE)
"""Names of a column with one pixel."""
COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+|[+-]?[0-9]+")
LEAST = 16
"""A table with fewer such columns holds features."""

Chosen = tuple[dict[str, Any], list[str]]
"""A form, and what is said about it."""


def form_of_table(root: Path, file: str, target: str | None = None) -> Chosen:
    """The form of one table.

    Args:
        root: the data's folder.
        file: the table, relative to it.
        target: the column to learn; None chooses one.

    Raises:
        UserError: it is no table, has no such column, or names images that are not there.
    """
    sample = sampled(open_table(root, file))
    if target is not None and target not in sample.text:
        raise UserError(f"--target={target}: {file} has no such column; there are: {', '.join(map(repr, sample.text))}")
    if is_pixels(sample) and target is None:
        return pixels(sample, file, None)
    path = path_column(sample, root, file)
    return features(sample, file, target) if path is None else paths(sample, file, path, target)


def form_of_pair(root: Path, files: list[str]) -> Chosen | None:
    """The form of two tables of pixels named alike, one with `train` and one with `test`; None if they are others."""
    roles = {role: [file for file in files if role in Path(file).stem.lower()] for role in ("train", "test")}
    if len(files) != 2 or any(len(named) != 1 for named in roles.values()):
        return None
    train, test = (sampled(open_table(root, roles[role][0])) for role in ("train", "test"))
    if train.table.columns != test.table.columns or not is_pixels(train):
        return None
    return pixels(train, roles["train"][0], roles["test"][0])


def is_pixels(sample: Sampled) -> bool:
    """Whether it is one of the two classic forms of pixels, see `settings.forms.Pixels`."""
    if not isinstance(sample.table, CsvFile):
        return False
    if {"emotion", "pixels"} <= {name.lower() for name in sample.text}:
        return True
    label, *others = sample.table.columns
    named = label.lower() in LABELS and len(others) >= LEAST and all(PIXEL.fullmatch(name) for name in others)
    return named and square(len(others)) is not None and all(bytes_of(sample.text[name])[1].all() for name in others)


def pixels(sample: Sampled, train: str, test: str | None) -> Chosen:
    """The form `pixels`.

    Raises:
        UserError: no square image has so many pixels.
    """
    packed = sample.usual(["pixels"])
    count = len(sample.values(packed)[0].split()) if packed and sample.values(packed) else len(sample.text) - 1
    shape = square(count)
    if shape is None:
        raise UserError(
            f"{train}: {count} pixels a row are no square image, grey or colour; write conf/download/NAME.yaml by hand "
            "with shape: [height, width, channels]"
        )
    said = [f"{count} pixels a row: {shape[0]}×{shape[1]}, {'grey' if shape[2] == 1 else 'red, green, blue in turn'}"]
    said += [f"test part: {test}"] if test else []
    shape = None if shape[2] == 1 else shape
    return {"kind": "pixels", "train": train, "test": test, "shape": shape, "classes": None}, said


def square(pixels: int) -> list[int] | None:
    """Height, width and channels of a square image with so many values; None if there is none."""
    for channels in (1, 3):
        side = math.isqrt(pixels // channels)
        if channels * side**2 == pixels:
            return [side, side, channels]
    return None


def paths(sample: Sampled, file: str, path: str, target: str | None) -> Chosen:
    """The form `paths`."""
    split, said = split_column(sample)
    group = sample.usual(GROUPS)
    rest = [name for name in sample.text if name not in (path, split, group)]
    label = target or sample.usual(LABELS) or (rest[0] if len(rest) == 1 else None)
    columns = {"path": path, "label": label, "split": split, "group": group}
    form = {"kind": "paths", "file": file, **columns, "classes": None}
    said = [f"images: column {path!r}", f"labels: {column(label)}", *said]
    return form, said + ([f"groups: column {group!r}"] if group else [])


def features(sample: Sampled, file: str, target: str | None) -> Chosen:
    """The form `table`."""
    split, said = split_column(sample)
    group = sample.usual(GROUPS)
    chosen = target is None
    target = (
        target or sample.usual(LABELS) or next(name for name in reversed(sample.text) if name not in (split, group))
    )
    number = is_number(sample.table, target)
    rest = [name for name in sample.text if name not in (target, split, group)]
    names = no_features(sample.table, rest)
    kept = [name for name in rest if name not in names]
    if not kept:
        raise UserError(f"{file}: no column with a feature beside the target {target!r}; add some")
    form = {"kind": "table", "file": file, "target": target, "number": number, "columns": kept if names else None}
    another = "; --target COLUMN takes another one" if chosen and rest else ""
    said = [f"target: column {target!r}, {'a number' if number else 'a class'}{another}", *said]
    said += [f"groups: column {group!r}"] if group else []
    said += [f"left out, as they name rows or hold free text: {', '.join(map(repr, names))}"] if names else []
    said += [
        f"column {name!r} has numbers with a comma; write a point to make it a feature"
        for name in names
        if has_commas(sample, name)
    ]
    return {**form, "split": split, "group": group, "classes": None}, said


def has_commas(sample: Sampled, name: str) -> bool:
    """Whether a column holds numbers as they are written with a decimal comma."""
    values = sample.values(name)
    return bool(values) and all(COMMA.fullmatch(value) for value in values)


def column(name: str | None) -> str:
    """A column as a person is told of it."""
    return "none" if name is None else f"column {name!r}"
