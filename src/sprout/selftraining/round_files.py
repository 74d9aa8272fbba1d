"""The files that the stage `pseudo_label` writes: the labels of the last round, and the predictions of each round."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.foreign import ALL_KEPT, Foreign
from sprout.data.store import LABELS, class_indices, write_labels
from sprout.runtime.errors import listed
from sprout.runtime.files import atomic_folder, write_rows

NO_METHOD = "pseudo_label.method is none"
"""Why there is no round."""
HISTORY = ["round", "labeller", "pool", "accepted", "lowest_confidence", "mean_confidence"]
"""Columns of `rounds.csv`."""
PREDICTIONS = {
    "labeller": pa.string(),
    "split": pa.string(),
    "row": pa.int64(),
    "predicted": pa.int64(),
    "confidence": pa.float32(),
    "threshold": pa.float32(),
    "accepted": pa.bool_(),
}
"""Columns of `predictions.parquet`: for each labeller and each example of the pool and of val the predicted class, its
confidence, the confidence from which it counts, and whether it does."""


@dataclass(frozen=True)
class Round:
    """What one round has found."""

    number: int
    """From 1."""
    labels: pa.Table
    """The label table of what it accepts."""
    predictions: pa.Table
    """Of the columns `PREDICTIONS`."""
    pool: int
    """How many examples there were to accept."""
    classes: list[str]
    """K names."""

    @property
    def row(self) -> dict[str, Any]:
        """Its row of `rounds.csv`; a confidence is None where nothing is accepted."""
        confidence = self.labels["confidence"].to_numpy()
        found = (float(confidence.min()), float(confidence.mean())) if len(confidence) else (None, None)
        return dict(zip(HISTORY, (self.number, labeller(self.number), self.pool, len(confidence), *found), strict=True))

    @property
    def sentence(self) -> str:
        """What it has accepted, and of which classes nothing."""
        row = self.row
        if not row["accepted"]:
            return f"round {self.number}: accepted none of {self.pool:,} predictions"
        counts = np.bincount(class_indices(self.labels), minlength=len(self.classes))
        without = [name for name, count in zip(self.classes, counts, strict=True) if not count]
        more = f", none of {listed(without)}" if without else ""
        return (
            f"round {self.number}: accepted {row['accepted']:,} of {self.pool:,} predictions{more}; lowest confidence "
            f"{row['lowest_confidence']:.3f}"
        )


def labeller(number: int) -> str:
    """The name of the model that labels in a round."""
    return "teacher" if number == 1 else f"round {number}"


def write_rounds(folder: Path, rounds: Sequence[Round], foreign: Foreign = ALL_KEPT) -> None:
    """Write the labels of the last round, what each round has found, and what is left out, into an empty folder."""
    foreign.write(folder)
    write_labels(folder, rounds[-1].labels if rounds else LABELS.empty_table())
    write_rows(folder / "rounds.csv", HISTORY, [each.row for each in rounds])
    tables = [pa.schema(PREDICTIONS).empty_table(), *(each.predictions for each in rounds)]
    pq.write_table(pa.concat_tables(tables), folder / "predictions.parquet", compression="zstd")


def write_none(folder: Path, why: str, foreign: Foreign = ALL_KEPT) -> None:
    """Write the output of the stage without any round, and print why."""
    print(f"pseudo_label: no pseudo-labels are made, as {why}", file=sys.stderr)
    with atomic_folder(folder) as beside:
        write_rounds(beside, [], foreign)
