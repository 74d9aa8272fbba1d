"""A CSV file of pixels in one of two layouts: `label,pixel1..pixelN` or `emotion,pixels,Usage`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.csv_file import NO_ROWS, CsvFile, open_csv
from sprout.data.formats.file_tree import locate
from sprout.data.formats.values import bytes_of
from sprout.data.listing import Array, Faults, add_faults
from sprout.runtime.errors import UserError

LABELS = ("label", "class", "target", "y")
"""Usual names of a label's column."""
Entry = Callable[[int, int], str | None]
"""(row, pixel) → the text of that pixel."""


@dataclass(frozen=True)
class PixelFile:
    """A file, of which everything but the pixels has been read."""

    file: CsvFile
    columns: list[str]
    """Those with the pixels: one for each pixel, or a single one with all of them."""
    packed: bool
    """Whether a single column contains all pixels, separated by spaces."""
    texts: dict[str, pa.Array]
    """label and, if there is one, usage: (n,) string of the rows that have as many fields as the header."""
    ragged: dict[int, int]
    """Row → its number of fields, if it is not that of the header."""

    def __len__(self) -> int:
        return len(self.texts["label"]) + len(self.ragged)

    @cached_property
    def places(self) -> Array:
        """Return the rows that are not ragged: (n,) int64."""
        return np.delete(np.arange(len(self)), list(self.ragged))

    def text(self, name: str) -> pa.Array:
        """Return a column for all rows: (N,) string, null in the ragged ones."""
        place = np.full(len(self), -1)
        place[self.places] = np.arange(len(self.places))
        return self.texts[name].take(pa.array(place, mask=place < 0))

    @cached_property
    def pixels(self) -> int:
        """Return the pixels of an image: the commonest number among the first rows."""
        if not self.packed:
            return len(self.columns)
        first = next(self.batches(), None)
        return 0 if first is None else int(np.bincount(lengths(split(first))).argmax())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the pixels as text."""
        batches = self.file.batches(self.columns, {}, newlines=False)
        return (batch for batch in batches if len(batch))

    def fill(self, images: Array) -> Faults:
        """Write the pixels of all rows to `images`, (N, P) uint8, zeros in faulty ones; return the faults."""
        unit = "fields where the header has" if self.packed else "pixels instead of"
        expected = len(self.file.columns) if self.packed else self.pixels
        faults = {row: f"{fields - (not self.packed)} {unit} {expected}" for row, fields in self.ragged.items()}
        start = 0
        for batch in self.batches():
            values, wrong = (packed_pixels if self.packed else pixel_columns)(batch, self.pixels)
            rows = self.places[start : start + len(batch)]
            images[rows] = values
            add_faults(faults, {int(rows[row]): reason for row, reason in wrong.items()})
            start += len(batch)
        return faults


def open_pixel_file(root: Path, name: str) -> PixelFile:
    """Recognise the layout of a file, and read its labels.

    Raises:
        UserError: it has neither layout, or no rows.
    """
    file = open_csv(locate(root, name), name)
    by_name = {column.lower(): column for column in file.columns}
    is_packed = {"emotion", "pixels"} <= by_name.keys()
    if is_packed:
        columns = {key: by_name[name] for key, name in (("label", "emotion"), ("usage", "usage")) if name in by_name}
    elif file.columns[0].lower() in LABELS and len(file.columns) > 1:
        columns = {"label": file.columns[0]}
    else:
        header = ", ".join(map(repr, file.columns[:4])) + (", …" if len(file.columns) > 4 else "")
        raise UserError(
            f"{name}: the first line is {header}; accepted: a header label,pixel1,…,pixelN (or class, or target) "
            "or emotion,pixels,Usage"
        )
    ragged: dict[int, int] = {}
    batches = list(file.batches(list(columns.values()), ragged, newlines=False))
    texts = {
        key: pa.concat_arrays([pa.nulls(0, pa.string()), *(batch.column(column) for batch in batches)])
        for key, column in columns.items()
    }
    if not len(texts["label"]) + len(ragged):
        raise UserError(f"{name}: {NO_ROWS}")
    return PixelFile(file, [by_name["pixels"]] if is_packed else file.columns[1:], is_packed, texts, ragged)


def pixel_columns(batch: pa.RecordBatch, pixels: int) -> tuple[Array, Faults]:
    """Return the pixels of one column each, (n, P) uint8, and the faults."""
    values, valid = bytes_of(pa.concat_arrays(batch.columns))
    values, valid = values.reshape(pixels, -1).T, valid.reshape(pixels, -1).T
    wrong = first_faults(valid, lambda row, pixel: batch.column(pixel)[row].as_py())
    return np.where(valid.all(axis=1, keepdims=True), values, 0), wrong


def packed_pixels(batch: pa.RecordBatch, pixels: int) -> tuple[Array, Faults]:
    """Return the pixels of a single column, (n, P) uint8, and the faults."""
    lists = split(batch)
    counts = lengths(lists)
    fits = counts == pixels
    values, valid = (flat.reshape(-1, pixels) for flat in bytes_of(lists.filter(pa.array(fits)).flatten()))
    images = np.zeros((len(batch), pixels), np.uint8)
    images[fits] = np.where(valid.all(axis=1, keepdims=True), values, 0)
    rows = np.flatnonzero(fits)
    wrong = first_faults(valid, lambda row, pixel: lists[int(rows[row])][pixel].as_py())
    faults = {int(rows[row]): reason for row, reason in wrong.items()}
    return images, faults | {row: f"{counts[row]} pixels instead of {pixels}" for row in np.flatnonzero(~fits).tolist()}


def split(batch: pa.RecordBatch) -> pa.Array:
    """Return the pixels of each row: (n,) lists of texts."""
    text = pc.ascii_trim_whitespace(batch.column(0))
    lists = pc.ascii_split_whitespace(text)
    return pc.if_else(pc.equal(text, "").fill_null(True), pa.scalar([], lists.type), lists)


def lengths(lists: pa.Array) -> Array:
    """Return the number of pixels of each row: (n,) int64."""
    counts: Array = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return counts


def first_faults(valid: Array, entry: Entry) -> Faults:
    """Return the first invalid pixel of each row; `valid` is (n, P) bool."""
    rows = np.flatnonzero(~valid.all(axis=1))
    firsts = valid[rows].argmin(axis=1)
    return {
        row: f"pixel {pixel + 1} is {entry(row, pixel) or ''!r}, not an integer in 0..255"
        for row, pixel in zip(rows.tolist(), firsts.tolist(), strict=True)
    }
