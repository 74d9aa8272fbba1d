"""The first rows of a table, and what the user says of its columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from sprout.data.formats.file_tree import IMAGE_SUFFIXES
from sprout.data.formats.finder import plain_path
from sprout.data.formats.joined_table import JoinedTable
from sprout.data.formats.values import as_text, trimmed
from sprout.runtime.errors import UserError

GUIDE = "docs/your_own_data.md"
"""Where the data that is understood is described."""
SAMPLE_ROWS = 1000
Notes = list[str]
"""What was chosen, for the user."""


class Columns(NamedTuple):
    """What the user says of the columns of a table, or of the names of images."""

    target: str | None = None
    """The column to learn, also COLUMN=class or COLUMN=number; None chooses one."""
    group: str | None = None
    """The column whose equal values stay in one split; None takes one with a usual name."""
    missing: str | None = None
    """What stands for a missing label, beside an empty entry and the like."""
    pattern: str | None = None
    """How images are named; see `config.formats.Names`."""

    @property
    def options(self) -> list[str]:
        """As they were written on the command line."""
        return [f"--{name}={value}" for name, value in self._asdict().items() if value is not None]


UNSAID = Columns()


@dataclass(frozen=True)
class TableSample:
    """The first rows of a table, as text; columns of images are left out."""

    table: JoinedTable
    text: dict[str, pa.Array]
    """Column → its first rows: (n,) string, null where a cell is empty."""

    def column_named(self, names: Sequence[str]) -> str | None:
        """Return the column with the first of these names; case, spaces, hyphens and underscores are ignored."""
        plain = {plain_name(column): column for column in self.text}
        return next((plain[name] for name in names if name in plain), None)

    def values(self, column: str) -> list[str]:
        """Return the distinct values of a column, without empty ones."""
        return [*dict.fromkeys(trimmed(self.text[column]).drop_null().to_pylist())]

    def names_images(self, column: str) -> bool:
        """Whether most values of a column end like names of image files."""
        values = self.values(column)
        return 2 * sum(plain_path(value).lower().endswith(IMAGE_SUFFIXES) for value in values) > len(values)

    def is_unique(self, column: str) -> bool:
        """Whether no value of a column repeats."""
        return len(self.values(column)) == len(self.text[column])


def read_sample(table: JoinedTable) -> TableSample:
    """Read the first rows of a table.

    Raises:
        UserError: it has no rows.
    """
    columns = [name for name in table.columns if name not in table.images]
    batch = next(iter(table.batches(columns)), None)
    if batch is None or not batch.num_rows:
        raise UserError(f"{table.name}: a header and no rows; add some")
    return TableSample(table, {name: as_text(batch.column(name)[:SAMPLE_ROWS], name) for name in columns})


def plain_name(column: str) -> str:
    """Return the name of a column in lower case, without spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]", "", column.lower())
