"""What the earlier stages wrote, read once and as it is: the page computes from nothing else."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.store import Array, read_labels
from sprout.runtime.files import read_json

SPLITS = ("train", "val", "unlabelled", "test")


@dataclass(frozen=True)
class Model:
    """One model folder: its description, its scores on val and its history, one value per epoch."""

    description: dict[str, Any]
    metrics: dict[str, Any]
    history: dict[str, Array]


@dataclass(frozen=True)
class Inputs:
    """Everything the page shows. `models` holds the teacher, and the student where it is another model."""

    task: str
    """classify, regress, reconstruct or cluster."""
    classes: list[str]
    summary: dict[str, Any]
    labels: dict[str, Array]
    """For each split the class index of each example, (N,); -1 where the label is not known."""
    known: dict[str, int]
    """For each split how many examples have a label, or of a regression a value."""
    models: dict[str, Model]
    kept: bool
    """True when the stage `retrain` handed the teacher on as the student."""
    scores: dict[str, Any]
    per_class: list[dict[str, str]]
    calibration: list[dict[str, str]]
    """Empty, as is `per_class`, but for a classifier."""
    coefficients: list[dict[str, str]]
    """`name` and `coefficient` of each feature and of the bias; only of a model without hidden layers."""
    restored: dict[str, Array]
    """Of a reconstruction `row` and the images `clean`, `noisy` and `restored`, (n, H, W, C) uint8; else empty."""
    predictions: pa.Table
    accepted: pa.Table
    rounds: list[dict[str, str]]
    faulty: list[dict[str, str]]
    """What `prepare` left out: origin and reason of each."""

    @property
    def shown(self) -> str:
        """The model whose predictions the page looks into: what the build hands on."""
        return "teacher" if self.kept else "student"


def read_inputs(prepared: Path, pseudo_labels: Path, teacher: Path, student: Path, evaluation: Path) -> Inputs:
    """Read the folders of the stages.

    Raises FileNotFoundError naming the file when a stage has not written it.
    """
    kept = read_json(student / "model.json")["kept"] == "teacher"
    folders = {"teacher": teacher} if kept else {"teacher": teacher, "student": student}
    task = read_json(teacher / "model.json")["task"]
    tables = {split: read_labels(prepared / split) for split in SPLITS}
    return Inputs(
        task=task,
        classes=read_json(prepared / "classes.json"),
        summary=read_json(prepared / "summary.json"),
        labels={split: class_indices(table) for split, table in tables.items()},
        known={split: known(table, "value" if task == "regress" else "label") for split, table in tables.items()},
        models={name: _model(folder) for name, folder in folders.items()},
        kept=kept,
        scores=read_json(evaluation / "metrics.json"),
        per_class=_rows(evaluation / "per_class.csv") if task == "classify" else [],
        calibration=_rows(evaluation / "calibration.csv") if task == "classify" else [],
        coefficients=_rows(teacher / "coefficients.csv") if (teacher / "coefficients.csv").exists() else [],
        restored=_arrays(evaluation / "restored.npz") if task == "reconstruct" else {},
        predictions=pq.read_table(evaluation / "predictions.parquet"),
        accepted=read_labels(pseudo_labels),
        rounds=_rows(pseudo_labels / "rounds.csv"),
        faulty=_rows(prepared / "quarantine.csv"),
    )


def class_indices(labels: pa.Table) -> Array:
    """The labels of a label table, (N,) int64; -1 where the label is not known."""
    indices: Array = labels["label"].fill_null(-1).to_numpy()
    return indices


def known(labels: pa.Table, column: str) -> int:
    """How many examples have what this column holds."""
    return int(labels.num_rows - labels[column].null_count)


def to_float(text: str) -> float:
    """A CSV field as a number; an empty field is a missing value, nan."""
    return float(text) if text.strip() else float("nan")


def _model(folder: Path) -> Model:
    rows = _rows(folder / "history.csv")
    columns = list(rows[0]) if rows else []
    history = {column: np.array([to_float(row[column]) for row in rows]) for column in columns}
    return Model(read_json(folder / "model.json"), read_json(folder / "metrics.json"), history)


def _arrays(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
