"""What the earlier stages wrote, read once and unchanged; the report computes from nothing else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.foreign import Foreign
from sprout.data.store import Array, class_indices, read_labels
from sprout.evaluate.tested_on import CROSS_VALIDATION, tested_on
from sprout.runtime.files import read_json, read_rows
from sprout.runtime.model_folder import own_models, read_card
from sprout.tasks.scores import Metrics

SPLITS = ("train", "val", "unlabelled", "test")


@dataclass(frozen=True)
class Model:
    """One model folder."""

    folder: Path
    card: dict[str, Any]
    """`model.json`, as JSON: the typed card would need torch."""
    training: dict[str, Any]
    """`metrics.json`: `val`, the metrics on val, and of a training in epochs `epochs` and `best_epoch`, from 1."""
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
    """The teacher, the control if there is one, and the student if one was trained, also where it is not handed on."""
    kept: str | None
    """The model that is handed on in the student's place, teacher or control; None for the student itself."""
    gate: dict[str, Any] | None
    """What val says of the student and its rival, `gate.json`; None where no student was trained."""
    pool: dict[str, Any] | None
    """What teacher and student make of the unlabelled pool, `pool.json`; None where no student was trained."""
    foreign: Foreign
    """The examples of the pool that were not learned from."""
    test: dict[str, Metrics]
    """The metrics of each model on test, or with cross-validation on the labels."""
    crossed: bool
    """Whether there is no test split: then `test` and `predictions` are those of cross-validation."""
    pseudo_labels: dict[str, Any]
    """By labeller what is known of the labels that it gave the pool, see `evaluate.audit.in_short`."""
    predictions: pa.Table
    """The predictions on test, see `Task.write_evaluation`."""
    quarantined: list[dict[str, str]]
    """`origin` and `reason` of each example that `prepare` left out."""
    pseudo_labels_folder: Path
    evaluation_folder: Path

    @property
    def tested_split(self) -> str:
        """The store of the examples of `predictions`."""
        return "train" if self.crossed else "test"

    @property
    def has_pool(self) -> bool:
        """Whether there are unlabelled examples."""
        return len(self.labels["unlabelled"]) > 0

    @property
    def judged(self) -> str:
        """What models are chosen by."""
        return "cross-validation" if self.summary["folds"] else "val"

    @property
    def noun(self) -> str:
        """What one of these examples is called."""
        return "cross-validated label" if self.crossed else "test example"

    @property
    def shown(self) -> str:
        """The model that the build hands on, whose predictions are shown: teacher, control or student."""
        return self.kept or "student"

    @property
    def rival(self) -> str | None:
        """The model that the last one is compared with: the one before it; None where there is no other."""
        *_, before, _ = (None, *self.models)
        return before


def read_inputs(prepared: Path, pseudo_labels: Path, models: Path, evaluation: Path, target: str) -> Inputs:
    """Read the folders of the stages.

    Args:
        prepared: of the stage `prepare`.
        pseudo_labels: of the stage `pseudo_label`.
        models: the folder with the model folders of teacher, control and student.
        evaluation: of the stage `evaluate`.
        target: the column of the label tables whose known values are counted.

    Raises:
        FileNotFoundError: a stage has not written a file; the error names it.
        UserError: a model card is missing or damaged.
    """
    kept = read_card(models / "student")["kept"]
    trained = {role: folder for role, folder in own_models(models).items() if not read_card(folder)["kept"]}
    tables = {split: read_labels(prepared / split) for split in SPLITS}
    metrics = read_json(evaluation / "metrics.json")
    split = tested_on(metrics)
    return Inputs(
        classes=read_json(prepared / "classes.json"),
        summary=read_json(prepared / "summary.json"),
        labels={split: class_indices(table) for split, table in tables.items()},
        targets={split: known(table, target) for split, table in tables.items()},
        models={role: read_model(folder) for role, folder in trained.items()},
        kept=kept,
        gate=read_if_there(models / "student" / "gate.json"),
        pool=read_if_there(models / "student" / "pool.json"),
        foreign=Foreign.read(pseudo_labels),
        test=metrics[split],
        crossed=split == CROSS_VALIDATION,
        pseudo_labels=metrics["pseudo_labels"],
        predictions=pq.read_table(evaluation / "predictions.parquet"),
        quarantined=read_rows(prepared / "quarantine.csv"),
        pseudo_labels_folder=pseudo_labels,
        evaluation_folder=evaluation,
    )


def read_if_there(path: Path) -> dict[str, Any] | None:
    """Read a JSON file that not every build has."""
    return read_json(path) if path.exists() else None


def read_model(folder: Path) -> Model:
    """Read a model folder, but for the weights."""
    rows = read_rows(folder / "history.csv")
    columns = list(rows[0]) if rows else []
    history = {column: np.array([to_float(row[column]) for row in rows]) for column in columns}
    return Model(folder, read_card(folder), read_json(folder / "metrics.json"), history)


def to_float(text: str) -> float:
    """A CSV field as a number; NaN for an empty field, which is a missing value."""
    return float(text) if text.strip() else float("nan")


def known(labels: pa.Table, column: str) -> int:
    """How many rows of a label table have a value in this column."""
    return int(labels.num_rows - labels[column].null_count)
