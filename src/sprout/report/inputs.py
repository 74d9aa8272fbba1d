"""What the earlier stages wrote, read once and unchanged; the report computes from nothing else."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.store import Array, class_indices, read_labels
from sprout.runtime.files import read_json
from sprout.tasks.scores import Metrics

SPLITS = ("train", "val", "unlabelled", "test")


@dataclass(frozen=True)
class Model:
    """One model folder."""

    folder: Path
    card: dict[str, Any]
    """`model.json`, as JSON: the typed card would need torch."""
    training: dict[str, Any]
    """`metrics.json`: `val`, the metrics on val, and of a training in epochs `epochs` and `best_epoch`."""
    history: dict[str, Array]
    """By column of `history.csv` a value for each epoch, (epochs,) float; empty without epochs."""


@dataclass(frozen=True)
class Inputs:
    """What the report shows of any task."""

    classes: list[str]
    summary: dict[str, Any]
    """`summary.json` of the stage `prepare`."""
    labels: dict[str, Array]
    """For each split the class index of each example, (N,) int64; -1 where it is not known."""
    targets: dict[str, int]
    """For each split how many examples have a known target, or where the task needs none, a known class."""
    models: dict[str, Model]
    """The teacher, and the student where it is another model."""
    kept: bool
    """True where the student is the unchanged teacher."""
    test: dict[str, Metrics]
    """The metrics on test of teacher and student."""
    pseudo_labels: dict[str, Any]
    """`pool`, `accepted`, `known` and `accuracy`, see `pseudo_label_quality`."""
    predictions: pa.Table
    """The predictions on test, see `Task.write_evaluation`."""
    quarantined: list[dict[str, str]]
    """`origin` and `reason` of each example that `prepare` left out."""
    pseudo_labels_folder: Path
    evaluation_folder: Path

    @property
    def shown(self) -> str:
        """The model that the build hands on, whose predictions are shown: teacher or student."""
        return "teacher" if self.kept else "student"


def read_inputs(
    prepared: Path, pseudo_labels: Path, teacher: Path, student: Path, evaluation: Path, target: str
) -> Inputs:
    """Read the folders of the stages; `target` is the column of the label tables whose known values are counted.

    Raises:
        FileNotFoundError: a stage has not written a file; the error names it.
    """
    kept = read_json(student / "model.json")["kept"] is not None
    folders = {"teacher": teacher} if kept else {"teacher": teacher, "student": student}
    models = {role: read_model(folder) for role, folder in folders.items()}
    tables = {split: read_labels(prepared / split) for split in SPLITS}
    metrics = read_json(evaluation / "metrics.json")
    return Inputs(
        classes=read_json(prepared / "classes.json"),
        summary=read_json(prepared / "summary.json"),
        labels={split: class_indices(table) for split, table in tables.items()},
        targets={split: known(table, target) for split, table in tables.items()},
        models=models,
        kept=kept,
        test=metrics["test"],
        pseudo_labels=metrics["pseudo_labels"],
        predictions=pq.read_table(evaluation / "predictions.parquet"),
        quarantined=read_rows(prepared / "quarantine.csv"),
        pseudo_labels_folder=pseudo_labels,
        evaluation_folder=evaluation,
    )


def read_model(folder: Path) -> Model:
    """Read a model folder, but for the weights."""
    rows = read_rows(folder / "history.csv")
    columns = list(rows[0]) if rows else []
    history = {column: np.array([to_float(row[column]) for row in rows]) for column in columns}
    return Model(folder, read_json(folder / "model.json"), read_json(folder / "metrics.json"), history)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, by the names in its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def to_float(text: str) -> float:
    """A CSV field as a number; NaN for an empty field, which is a missing value."""
    return float(text) if text.strip() else float("nan")


def known(labels: pa.Table, column: str) -> int:
    """How many rows of a label table have a value in this column."""
    return int(labels.num_rows - labels[column].null_count)
