"""A Parquet file as a table: on disk with all columns; or, also in S3, with the names of images in place of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.formats.memory_table import ROWS
from sprout.data.parquet_rows import footer_of, image_bytes, image_column, opened, reading, row_name
from sprout.data.stored_file import BLOCK, Stored
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.progress import track

PARQUET_SUFFIXES = (".parquet", ".pq")
IMAGE_ROWS = 256
"""Rows of a batch with images in it."""


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file, whose columns have types."""

    path: Path
    name: str
    """For messages."""
    columns: list[str]
    images: tuple[str, ...] = ()
    """Columns with the bytes of image files, as Hugging Face writes them: binary, or a struct with `bytes`."""
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Column → class names by index, as Hugging Face writes them into the file."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns with their types.

        Raises:
            UserError: the file is damaged.
        """
        plain = set(columns).isdisjoint(self.images)
        rows, ahead = (ROWS, 0) if plain else (IMAGE_ROWS, BLOCK)
        try:
            # `pre_buffer` would hold these columns of the whole file in memory.
            with pq.ParquetFile(self.path, buffer_size=ahead, pre_buffer=False) as file:
                total = -(-file.metadata.num_rows // rows)
                yield from track(file.iter_batches(rows, columns=list(columns)), self.name, total)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{self.name}: damaged ({one_line(error)}); write it again") from None


def open_parquet(path: Path, name: str) -> ParquetFile:
    """Open a file that begins as a Parquet file.

    Raises:
        UserError: it is damaged, or has a column twice.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{name}: damaged ({one_line(error)}); write it again") from None
    return ParquetFile(path, name, names_of(schema, name), images_of(schema), named_classes(schema))


@dataclass(frozen=True)
class PlacedTable:
    """A Parquet file whose images are known by their rows in it."""

    stored: Stored
    name: str
    """For messages."""
    schema: pa.Schema
    columns: list[str]
    images: tuple[str, ...]
    """Columns with the bytes of image files."""
    image: str
    """The one that `batches` yields the names of, as `contents` reads them; null where there is no image."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns, by one request for each of a row group; of images, none is read as a rule."""
        others = list(dict.fromkeys(name for name in columns if name != self.image))
        with reading(self.stored), opened(self.stored, BLOCK) as file:
            for group in range(file.num_row_groups):
                names, start = self.names_of_images(file, group), 0
                for batch in file.iter_batches(ROWS, row_groups=[group], columns=others):
                    named = names.slice(start, len(batch))
                    arrays = [named if name == self.image else batch.column(name) for name in columns]
                    yield pa.record_batch(arrays, [*columns])
                    start += len(batch)

    def names_of_images(self, file: pq.ParquetFile, group: int) -> pa.Array:
        """Return the name of each image in a row group: (n,) string.

        Where the file says that there are nulls, or nothing of them, the images are read.
        """
        path, known = image_column(self.image, self.schema.field(self.image).type), file.metadata.row_group(group)
        chunks = map(known.column, range(known.num_columns))
        chunk = next(chunk for chunk in chunks if chunk.path_in_schema == path)
        length = chunk.total_compressed_size // max(1, known.num_rows)
        names = pa.array([row_name(self.stored.name, group, row, length) for row in range(known.num_rows)], pa.string())
        if chunk.statistics is not None and chunk.statistics.has_null_count and not chunk.statistics.null_count:
            return names
        batches = file.iter_batches(IMAGE_ROWS, row_groups=[group], columns=[path])
        missing = [np.asarray(image_bytes(batch.column(0)).is_null()) for batch in batches]
        return pa.array(names.to_pylist(), pa.string(), mask=np.concatenate([*missing, np.zeros(0, bool)]))

    def groups(self) -> list[int]:
        """Return the rows of each row group."""
        footer = footer_of(self.stored)
        return [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]


def open_placed_table(stored: Stored, image: str) -> PlacedTable:
    """Read what a Parquet file says of itself; `image` as in `PlacedTable`.

    Raises:
        UserError: it is no Parquet file, is damaged, is another one by now, or has a column twice.
    """
    with reading(stored), opened(stored, BLOCK) as file:
        schema = file.schema_arrow
    return PlacedTable(stored, stored.title, schema, names_of(schema, stored.title), images_of(schema), image)


def names_of(schema: pa.Schema, name: str) -> list[str]:
    """Return the names of the columns.

    Raises:
        UserError: two are the same.
    """
    names: list[str] = schema.names
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise UserError(f"{name}: has column {', '.join(map(repr, twice))} twice; rename one of them")
    return names


def images_of(schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns with the bytes of images."""
    return tuple(each.name for each in schema if holds_images(each.type))


def holds_images(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, or a struct with a field `bytes` that does."""
    if pa.types.is_struct(kind) and (place := kind.get_field_index("bytes")) >= 0:
        kind = kind.field(place).type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def named_classes(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Return the class names that Hugging Face's `datasets` has written into a schema, by column."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return {name: tuple(each["names"]) for name, each in features.items() if "names" in each}
    except (KeyError, TypeError, ValueError, AttributeError):  # not there, or of another version
        return {}
