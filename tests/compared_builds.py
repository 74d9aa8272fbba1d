"""Tracked builds whose models are wrong on chosen examples."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.runtime.files import write_rows
from sprout.tracking import HANDED_ON, GitState, tracking_uri
from sprout.tracking.connection import connect
from sprout.tracking.reading.compare import Subject, read_runs
from sprout.tracking.reading.find import find_run
from tracked_runs import make_build, runs_of, track

EXAMPLES, CLASSES = 200, [str(digit) for digit in range(10)]
LABELS = np.arange(EXAMPLES) % len(CLASSES)


def build(
    root: Path,
    seed: int,
    *,
    wrong: Iterable[int] = (),
    table: Mapping[str, Any] | None = None,
    classes: Sequence[str] = CLASSES,
    digest: str = "abc",
    store: str | None = None,
    git: GitState | None = None,
    role: str = "student",
    figures: Mapping[str, float] | None = None,
) -> str:
    """Track a build and return the id of its run.

    Args:
        root: the workspace.
        seed: names the build.
        wrong: examples of which the model that is handed on takes the next class.
        table: its predictions; None for those of a classifier that is wrong on these.
        classes: of the classifier; none for another task.
        digest: of its prepared data.
        store: SHA-256 of its test split.
        git: the state of the code.
        role: which model it hands on.
        figures: None for the error of a student.
    """
    missed = np.isin(np.arange(EXAMPLES), list(wrong))
    predicted = (LABELS + missed) % len(CLASSES)
    evaluation = root / "evaluation"
    evaluation.mkdir(exist_ok=True)
    pq.write_table(
        pa.table(table or {"row": np.arange(EXAMPLES), "label": LABELS, role: predicted}), root / "predictions.parquet"
    )
    write_rows(root / "per_class.csv", ["model", "class"], [{"model": role, "class": name} for name in classes])
    (root / "store.json").write_text(json.dumps({"sha256": store, "examples": EXAMPLES}))
    made = make_build(seed)
    with track(made, "build", tracking_uri(), {"data/prepared": digest * 12}, git, {HANDED_ON: role}) as run:
        run.log_metrics({"student/test_error_rate": float(missed.mean())} if figures is None else figures)
        run.log_artifact(root / "predictions.parquet", "evaluation")
        if classes:
            run.log_artifact(root / "per_class.csv", "evaluation")
        if store:
            run.log_artifact(root / "store.json", "data/test")
    (found,) = runs_of(tracking_uri(), role="build", build=made.name)
    return str(found.info.run_id)


def training(seed: int, role: str, losses: Sequence[float], **figures: float) -> None:
    """Track a training of a build, with a curve and figures on val."""
    with track(make_build(seed), role, tracking_uri()) as run:
        for epoch, loss in enumerate(losses, 1):
            run.log_curves({"val_loss": loss}, epoch)
        run.log_metrics(figures)


def subjects(*ids: str) -> list[Subject]:
    """Read runs to compare."""
    client = connect(tracking_uri())
    return read_runs(client, [find_run(client, each) for each in ids])
