"""A table that is read at once, because its format cannot be read in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

ROWS = 65_536
"""Rows of a batch."""


@dataclass(frozen=True)
class MemoryTable:
    """A table in memory: JSON lines with their types, or the text of a sheet of Excel."""

    name: str
    """For messages."""
    table: pa.Table
    images: ClassVar[tuple[str, ...]] = ()
    """There are none."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        names: list[str] = self.table.column_names
        return names

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns with their types, null where a cell is empty."""
        yield from self.table.select(columns).to_batches(ROWS)
