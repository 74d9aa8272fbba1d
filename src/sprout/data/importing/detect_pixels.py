"""Detect tables of pixels, which are images."""

import math
import re
from pathlib import Path

import numpy as np

from sprout.config.formats import Pixels
from sprout.data.formats.csv_file import CsvFile
from sprout.data.formats.joined_table import open_tables
from sprout.data.formats.pixel_file import LABELS
from sprout.data.formats.values import bytes_of
from sprout.data.importing.table_sample import Notes, TableSample, read_sample
from sprout.runtime.errors import UserError

PIXEL = re.compile(r"(pixel|px|p)?[ _-]?[0-9]+|[0-9]+x[0-9]+", re.IGNORECASE)
"""Names of a column with one pixel."""
MAX_FAULTY_ROWS = 0.1
"""If more rows have an entry that is no pixel, such as 300 or 0.5, the columns hold features."""
MIN_PIXELS = 16
"""A table with fewer pixel columns holds features."""


def detect_train_test_pair(root: Path, files: list[str]) -> tuple[Pixels, Notes] | None:
    """Detect two tables of pixels with the same columns, one named after `train` and one after `test`."""
    roles = {role: [file for file in files if role in Path(file).stem.lower()] for role in ("train", "test")}
    if len(files) != 2 or any(len(named) != 1 for named in roles.values()):
        return None
    train, test = (read_sample(open_tables(root, roles[role][0])) for role in ("train", "test"))
    if train.table.columns != test.table.columns or not has_pixels(train):
        return None
    return pixels_format(train, roles["train"][0], roles["test"][0])


def has_pixels(sample: TableSample) -> bool:
    """Whether it is one of the two common tables of pixels, see `config.formats.Pixels`; a few rows may be faulty."""
    if not isinstance(sample.table.tables[0], CsvFile):
        return False
    if {"emotion", "pixels"} <= {name.lower() for name in sample.text}:
        return True
    label, *others = sample.table.columns
    named = label.lower() in LABELS and len(others) >= MIN_PIXELS and all(PIXEL.fullmatch(name) for name in others)
    square = named and square_shape(len(others)) is not None
    if not square:
        return False
    faulty = ~np.all([bytes_of(sample.text[name])[1] for name in others], axis=0)
    return bool(faulty.mean() <= MAX_FAULTY_ROWS)


def pixels_format(sample: TableSample, train: str, test: str | None) -> tuple[Pixels, Notes]:
    """Return the settings of the format `pixels`.

    Raises:
        UserError: no square image has this number of pixels.
    """
    packed = sample.column_named(["pixels"])
    count = len(sample.values(packed)[0].split()) if packed and sample.values(packed) else len(sample.text) - 1
    shape = square_shape(count)
    if shape is None:
        raise UserError(
            f"{train}: {count} pixels a row are not a square image, grey or colour; write conf/download/NAME.yaml by "
            "hand with shape: [height, width, channels]"
        )
    grey = shape[2] == 1
    notes = [f"{count} pixels a row: {shape[0]}×{shape[1]}, {'grey' if grey else 'red, green, blue in turn'}"]
    notes += [f"test split: {test}"] if test else []
    settings = Pixels(kind="pixels", train=train, test=test, shape=None if grey else shape, classes=None)
    return settings, notes


def square_shape(pixels: int) -> tuple[int, int, int] | None:
    """Return height, width and channels of a square image with this many values, or None."""
    for channels in (1, 3):
        side = math.isqrt(pixels // channels)
        if channels * side**2 == pixels:
            return side, side, channels
    return None
