"""What the columns of a table are for, by their usual names and their values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.formats.features import Survey, entries_of
from sprout.data.formats.inside import Finder
from sprout.data.formats.numbers import floats
from sprout.data.formats.splits import ALL
from sprout.data.formats.text_table import TextTable, as_text, text_columns, trimmed
from sprout.runtime.errors import UserError

PATHS = ("path", "file", "filename", "image")
SPLITS = ("split", "set", "subset", "usage")
GROUPS = ("group", "subject", "person", "patient")
ROW_NAMES = ("id", "index", "row", "no", "unnamed: 0", "")
"""Columns that only name the row."""
IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".pgm", ".ppm")
SAMPLE = 1000
FEW = 20
"""Whole numbers with so many different values or fewer are classes."""


@dataclass(frozen=True)
class Sampled:
    """The first rows of a table, as text."""

    table: TextTable
    text: dict[str, pa.Array]
    """Each column's first rows: (n,) string, null where it is empty."""

    def usual(self, names: Sequence[str]) -> str | None:
        """The column with the first of these names; case, spaces and underscores do not count."""
        plain = {re.sub(r"[\s_-]", "", column.lower()): column for column in self.text}
        return next((plain[name] for name in names if name in plain), None)

    def values(self, column: str) -> list[str]:
        """Different values of a column, empty ones left out."""
        return [*dict.fromkeys(trimmed(self.text[column]).drop_null().to_pylist())]


def sampled(table: TextTable) -> Sampled:
    """Read the first rows of a table.

    Raises:
        UserError: it has no rows.
    """
    batch = next(iter(table.batches(table.columns)), None)
    if batch is None or not batch.num_rows:
        raise UserError(f"{table.name}: a head and no rows; add some")
    return Sampled(table, {name: as_text(batch.column(name)[:SAMPLE], name) for name in table.columns})


def path_column(sample: Sampled, root: Path, file: str) -> str | None:
    """The column whose values are image files that are there, if there is one.

    Raises:
        UserError: a column names image files, but they are not where the table says.
    """
    finder = Finder(root, str(Path(file).parent))
    usual = sample.usual([*PATHS, "filepath", "imagepath", "img", "imagefile"])
    wrong = None
    for column in sorted(sample.text, key=lambda name: name != usual):
        values = sample.values(column)
        faults = [fault for value in values if (fault := finder.find(value)[1])]
        if values and 2 * len(faults) < len(values):
            return column
        images = sum(value.lower().endswith(IMAGES) for value in values)
        if values and 2 * images > len(values) and wrong is None:
            wrong = (
                f"column {column!r} names image files such as {values[0]!r}: {finder.find(values[0])[1] or faults[0]}"
            )
    if wrong:
        raise UserError(f"{sample.table.name}: {wrong} (looked for from the table's folder on)")
    return None


def split_column(sample: Sampled) -> tuple[str | None, list[str]]:
    """The column of splits, if its values are understood; else what is said about it."""
    column = sample.usual(SPLITS)
    if column is None:
        return None, []
    unknown = [value for value in sample.values(column) if value.lower() not in ALL]
    if unknown:
        return None, [f"column {column!r} is not taken for splits: {unknown[0]!r} is none of {', '.join(ALL)}"]
    return column, [f"splits: column {column!r}"]


def is_number(table: TextTable, column: str) -> bool:
    """Whether a target is a number: all values are, and they are not a few whole ones."""
    values = trimmed(text_columns(table, [column])[column]).unique().drop_null()
    numbers, meant = floats(values)
    return bool(meant.all()) and (len(np.unique(numbers)) > FEW or bool((numbers % 1 != 0).any()))


def no_features(table: TextTable, columns: Sequence[str]) -> list[str]:
    """The columns that cannot be features: those that only name the row, and texts that are no categories."""
    surveys = [Survey(name, name) for name in columns]
    for batch in table.batches(columns):
        for survey in surveys:
            survey.see(entries_of(batch, survey.name, survey.what))
    return [survey.name for survey in surveys if survey.name.lower() in ROW_NAMES or not makes_feature(survey)]


def makes_feature(survey: Survey) -> bool:
    """Whether the form `table` takes a column."""
    try:
        survey.feature()
    except UserError:
        return False
    return True
