"""Builds of any task as the stages before `report` leave them, from models with random weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from handmade import model, opened, outcomes, save
from made import MADE
from sprout.data.description import write_description
from sprout.data.foreign import Foreign
from sprout.data.store import Array, label_table, open_store, write_labels
from sprout.data.store_writer import write_store
from sprout.evaluate.evaluate import evaluate, examine_on
from sprout.evaluate.labellers import write_audit
from sprout.models.predictor import Predictor
from sprout.report import write_report
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.files import write_json, write_rows
from sprout.tasks.interfaces import Limits

IMAGE, ROW = (8, 8, 1), (3,)
HEAD = ["epoch", "lr", "train_loss", "val_loss"]
GRADIENT_DESCENT = {
    "method": {"kind": "supervised", "policy": "transforms"},
    "epochs": 2,
    "batch_size": 10,
    "lr": 0.01,
    "optimizer": {"name": "adam"},
}
SCIKIT_LEARN = {"method": {"kind": "scikit_learn"}, "seed": 0}


def config(training: dict[str, Any]) -> dict[str, Any]:
    sections = {"model": {"name": "mlp"}, "augment": {"copies": 0}, "pseudo_label": {"threshold": 0.9}}
    return {"experiment": "try", "train": training, "retrain": training, **sections}


def examples(n: int, shape: tuple[int, ...], seed: int) -> Array:
    drawn = np.random.default_rng(seed).integers(0, 256, (n, *shape))
    return drawn.astype(np.uint8 if len(shape) == 3 else np.float32)


def make_store(folder: Path, given: Array, labels: Any, values: Any) -> None:
    rows = np.arange(len(given))
    origin = [f"{folder.name}:{row}" for row in rows]
    value = None if values is None else pa.array(values, pa.float64())
    write_store(folder, given, label_table(rows, labels, value=value, source="given", group=rows, origin=origin))


def make_prepared(folder: Path, stores: dict[str, tuple[Array, Any, Any]], classes: list[str]) -> None:
    """What `prepare` leaves: for each split its examples, labels and values."""
    for split, (given, labels, values) in stores.items():
        make_store(folder / split, given, labels, values)
    shape, names = stores["test"][0].shape[1:], None
    if len(shape) == 1:
        names = [f"feature {i}" for i in range(shape[0])]
    statistics: dict[str, Any] = {name: [0.5] * shape[-1] for name in ("mean", "std", "min", "max")}
    described = {
        "shape": list(shape),
        "dtype": stores["test"][0].dtype.name,
        "features": names,
        "notes": [],
        "folds": None,
        "levels": None,
        "page": 0,
        "columns": None,
    }
    write_description(folder, classes, described | statistics)
    write_rows(folder / "quarantine.csv", ["origin", "reason"], [])
    pq.write_table(
        pa.table({"row": pa.array([], pa.int64()), "label": pa.array([], pa.int64())}), folder / "truth.parquet"
    )


def make_models(root: Path, predictor: Predictor, history: list[dict[str, float]], wanted: int) -> None:
    """The teacher, the student that is the teacher, no pseudo-labels, and the evaluation."""
    val, test = open_store(root / "prepared" / "val"), open_store(root / "prepared" / "test")
    kept = Predictor(predictor.network, replace(predictor.card, kept="teacher"))
    for role, one in (("teacher", predictor), ("student", kept)):
        folder = save(root / role, one)
        epochs = {"epochs": len(history), "best_epoch": 1} if history else {}
        write_json(
            folder / "metrics.json",
            epochs | {"val": one.task.metrics(outcomes(one, val), one.card, val, 5)},
        )
        write_rows(folder / "history.csv", list(history[0]) if history else HEAD, history)
    write_labels(root / "pseudo_labels", test.labels.slice(0, 0))
    Foreign().write(root / "pseudo_labels")
    write_rows(root / "pseudo_labels" / "rounds.csv", ["round"], [])
    (root / "evaluation").mkdir()
    models, audited = opened(teacher=predictor, student=kept), write_audit(root / "evaluation", {}, predictor.classes)
    tested = examine_on(models, test, LocalProcesses())
    evaluate(root / "evaluation", models, tested, Limits(bins=5, examples=wanted), audited, "teacher")


def write_page(root: Path, training: dict[str, Any], wanted: int) -> str:
    folders = {name: root / name for name in ("prepared", "augmented", "pseudo_labels", "evaluation")}
    page, settings = root / "index.html", config(training)
    write_report(page, made=MADE, config=settings, build="3f9a1c7e", examples=wanted, models=root, **folders)
    return page.read_text(encoding="utf-8")


def page_of(
    root: Path,
    task: str,
    shape: tuple[int, ...],
    *,
    tests: int = 30,
    wanted: int = 6,
    training: dict[str, Any] = GRADIENT_DESCENT,
    labels: bool = False,
    **changes: Any,
) -> str:
    """The page of a build of this task; of a regression, every third value of the test split is not known."""
    stores: dict[str, tuple[Array, Any, Any]] = {}
    for seed, (split, n) in enumerate({"train": 6, "val": 5, "unlabelled": 4, "test": tests}.items()):
        values = [None if split == "unlabelled" or i % 3 == 0 else 90.0 + i for i in range(n)]
        classes = [i % 3 if labels and split != "unlabelled" else None for i in range(n)]
        stores[split] = examples(n, shape, seed), classes, values if task == "regress" else None
    make_prepared(root / "prepared", stores, ["ant", "bee", "cat"] if labels else [])
    make_store(root / "augmented", examples(0, shape, 0), [], None)
    error = {"train_mae": 1.0, "val_mae": 2.0} if task == "regress" else {}
    epochs = [{"epoch": e + 1, "lr": 0.01, "train_loss": 2.0 - e, "val_loss": 2.0, **error} for e in range(2)]
    made = model(task, shape, classes=["ant", "bee", "cat"] if labels else [], **changes)
    make_models(root, made, epochs if training is GRADIENT_DESCENT else [], wanted)
    return write_page(root, training, wanted)
