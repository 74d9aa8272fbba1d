"""Examples of the unlabelled pool that may belong to no class: a student learns from the others.

The stage `pseudo_label` finds them. With cross-validation there are those of each fold, found by a model that has not
learned from it.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sprout.data.store import Array
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, write_json

FILE, COMPARED = "foreign.parquet", "foreign.json"
SCHEMA = pa.schema([("row", pa.int64()), ("fold", pa.int16())])
"""A row of the pool, and the fold for whose models it is left out; null for the models that learn from all labels."""


@dataclass(frozen=True)
class Comparison:
    """How sure the teacher is of the pool and of labels that it has not learned from; the content of `foreign.json`."""

    pool: int
    """Examples of the pool."""
    known: int
    """Labels that the teacher has not learned from."""
    noun: str
    """What these are called."""
    p: float
    """Of the one-sided Kolmogorov-Smirnov test: how often chance puts the pool's confidence so much lower."""
    confidence: float
    """Where the two distributions differ most."""
    below_of_pool: float
    """The share of the pool with at most this confidence."""
    below_of_known: float
    """The share of the labels."""
    left_out: int
    """Examples of the pool that are left out."""


@dataclass(frozen=True)
class Foreign:
    """Which rows of the pool are left out, and why."""

    table: pa.Table = field(default_factory=SCHEMA.empty_table)
    """Of the columns of `SCHEMA`."""
    compared: Comparison | None = None
    """None where nothing was compared."""

    @classmethod
    def of(cls, rows: dict[int | None, Array], compared: Comparison) -> Self:
        """Take the rows by fold, None being all labels: (n,) int64 each."""
        tables = [
            pa.table([found, pa.array([fold] * len(found), pa.int16())], schema=SCHEMA) for fold, found in rows.items()
        ]
        return cls(pa.concat_tables(tables), compared)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what the stage `pseudo_label` has found.

        Raises:
            UserError: it has not run.
        """
        if not (folder / FILE).is_file():
            raise UserError(f"{folder / FILE}: not found; `dvc repro` makes it")
        compared = read_json(folder / COMPARED)
        return cls(pq.read_table(folder / FILE, schema=SCHEMA), compared and Comparison(**compared))

    def write(self, folder: Path) -> None:
        """Write both files into the folder of the stage."""
        pq.write_table(self.table, folder / FILE, compression="zstd")
        write_json(folder / COMPARED, self.compared and asdict(self.compared))

    def rows(self, fold: int | None = None) -> Array:
        """The rows that are left out for the models without this fold, or of all labels: (n,) int64."""
        column = pc.field("fold")
        found: Array = self.table.filter(column.is_null() if fold is None else column == fold)["row"].to_numpy()
        return found

    def others(self, pool: int, fold: int | None = None) -> Array:
        """The rows of a pool of this size that are learned from: (n,) int64, in order."""
        kept = np.ones(pool, bool)
        kept[self.rows(fold)] = False
        return np.flatnonzero(kept)


ALL_KEPT = Foreign()
"""Nothing is left out."""
