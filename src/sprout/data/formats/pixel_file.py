"""A CSV file of pixels, in one of two forms: `label,pixel1..pixelN` or `emotion,pixels,Usage`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.csv_file import CsvFile, open_csv
from sprout.data.formats.faults import Faults, add
from sprout.data.formats.inside import located
from sprout.data.formats.numbers import bytes_of
from sprout.data.sources.listing import Array
from sprout.runtime.errors import UserError

LABELS = ("label", "class", "target", "y")
Entry = Callable[[int, int], str | None]
"""The text of a row's pixel."""


@dataclass(frozen=True)
class PixelFile:
    """A file, looked through once for all but its pixels."""

    file: CsvFile
    columns: list[str]
    """Those with the pixels: one pixel in each, or one column with all of them."""
    packed: bool
    """Whether it is one column with all of them, spaces between."""
    texts: dict[str, pa.Array]
    """label and, where there is one, usage: (n,) string of the rows that have the head's number of fields."""
    ragged: dict[int, int]
    """Row → its number of fields, where that is not the head's."""

    def __len__(self) -> int:
        return len(self.texts["label"]) + len(self.ragged)

    @cached_property
    def places(self) -> Array:
        """The rows that are not ragged: (n,) int64."""
        return np.delete(np.arange(len(self)), list(self.ragged))

    def text(self, name: str) -> pa.Array:
        """A column for all rows: (N,) string, null in the ragged ones."""
        place = np.full(len(self), -1)
        place[self.places] = np.arange(len(self.places))
        return self.texts[name].take(pa.array(place, mask=place < 0))

    @cached_property
    def pixels(self) -> int:
        """Pixels of an image: what most of the first rows have."""
        if not self.packed:
            return len(self.columns)
        first = next(self.batches(), None)
        return 0 if first is None else int(np.bincount(lengths(split(first))).argmax())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The pixels as text."""
        batches = self.file.batches(self.columns, {}, newlines=False)
        return (batch for batch in batches if len(batch))

    def fill(self, images: Array) -> Faults:
        """Write the pixels of all rows, zeros in faulty ones: (N, P) uint8."""
        unit = "fields where the head has" if self.packed else "pixels instead of"
        expected = len(self.file.columns) if self.packed else self.pixels
        faults = {row: f"{fields - (not self.packed)} {unit} {expected}" for row, fields in self.ragged.items()}
        start = 0
        for batch in self.batches():
            values, wrong = (packed if self.packed else spread)(batch, self.pixels)
            rows = self.places[start : start + len(batch)]
            images[rows] = values
            add(faults, {int(rows[row]): reason for row, reason in wrong.items()})
            start += len(batch)
        return faults


def look(root: Path, name: str) -> PixelFile:
    """Tell the form of a file, and read its labels.

    Raises:
        UserError: it is in neither form, or has no rows.
    """
    file = open_csv(located(root, name), name)
    by_name = {column.lower(): column for column in file.columns}
    is_packed = {"emotion", "pixels"} <= by_name.keys()
    if is_packed:
        wanted = {key: by_name[name] for key, name in (("label", "emotion"), ("usage", "usage")) if name in by_name}
    elif file.columns[0].lower() in LABELS and len(file.columns) > 1:
        wanted = {"label": file.columns[0]}
    else:
        head = ", ".join(map(repr, file.columns[:4])) + (", …" if len(file.columns) > 4 else "")
        raise UserError(
            f"{name}: the first line is {head}; accepted is a head label,pixel1,…,pixelN (or class, or target) "
            "or emotion,pixels,Usage; add one"
        )
    ragged: dict[int, int] = {}
    batches = list(file.batches(list(wanted.values()), ragged, newlines=False))
    texts = {
        key: pa.concat_arrays([pa.nulls(0, pa.string()), *(batch.column(column) for batch in batches)])
        for key, column in wanted.items()
    }
    if not len(texts["label"]) + len(ragged):
        raise UserError(f"{name}: a head and no rows; add some")
    return PixelFile(file, [by_name["pixels"]] if is_packed else file.columns[1:], is_packed, texts, ragged)


def spread(batch: pa.RecordBatch, pixels: int) -> tuple[Array, Faults]:
    """A column for each pixel: (n, P) uint8, and what is wrong."""
    values, meant = bytes_of(pa.concat_arrays(batch.columns))
    values, meant = values.reshape(pixels, -1).T, meant.reshape(pixels, -1).T
    wrong = first_wrong(meant, lambda row, pixel: batch.column(pixel)[row].as_py())
    return np.where(meant.all(axis=1, keepdims=True), values, 0), wrong


def packed(batch: pa.RecordBatch, pixels: int) -> tuple[Array, Faults]:
    """One column with all pixels: (n, P) uint8, and what is wrong."""
    lists = split(batch)
    counts = lengths(lists)
    fits = counts == pixels
    values, meant = (found.reshape(-1, pixels) for found in bytes_of(lists.filter(pa.array(fits)).flatten()))
    images = np.zeros((len(batch), pixels), np.uint8)
    images[fits] = np.where(meant.all(axis=1, keepdims=True), values, 0)
    rows = np.flatnonzero(fits)
    wrong = first_wrong(meant, lambda row, pixel: lists[int(rows[row])][pixel].as_py())
    faults = {int(rows[row]): reason for row, reason in wrong.items()}
    return images, faults | {row: f"{counts[row]} pixels instead of {pixels}" for row in np.flatnonzero(~fits).tolist()}


def split(batch: pa.RecordBatch) -> pa.Array:
    """The pixels of each row: (n,) lists of texts."""
    text = pc.ascii_trim_whitespace(batch.column(0))
    lists = pc.ascii_split_whitespace(text)
    return pc.if_else(pc.equal(text, "").fill_null(True), pa.scalar([], lists.type), lists)


def lengths(lists: pa.Array) -> Array:
    """How many pixels each row has: (n,) int64."""
    counts: Array = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return counts


def first_wrong(meant: Array, entry: Entry) -> Faults:
    """The first pixel of each row that is no pixel."""
    rows = np.flatnonzero(~meant.all(axis=1))
    firsts = meant[rows].argmin(axis=1)
    return {
        row: f"pixel {pixel + 1} is {entry(row, pixel) or ''!r}, not a whole number in 0..255"
        for row, pixel in zip(rows.tolist(), firsts.tolist(), strict=True)
    }
