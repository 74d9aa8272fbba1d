"""Seconds that `sprout compare` takes for ten builds in a store on SQLite, after its start-up; also with its page.

The builds have the settings of the default experiment, three trainings with curves of 20 epochs and 100 steps, and
predictions for 10,000 test examples of ten classes.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.paired import parser, positive, print_value, timed
from benchmarks.training import CLASSES, compose, drain
from sprout.commands.compare import lines
from sprout.comparison.page import write_page
from sprout.config.workspace import Build
from sprout.runtime.files import write_json, write_rows
from sprout.tracking import BUILD, HANDED_ON, RunInfo, tracked_run
from sprout.tracking.reading.compare import compare, read_runs
from sprout.tracking.reading.curves import curves_of
from sprout.tracking.reading.find import find_run
from sprout.tracking.reading.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

GOAL = 5.0  # seconds
ROLES = ("teacher", "control", "student")
EPOCHS, STEPS = 20, 100


def measure(pairs: int, builds: int, examples: int, *, html: bool) -> None:
    """Track builds, compare them, and print the result.

    Args:
        pairs: comparisons.
        builds: that are compared.
        examples: of the test split of each.
        html: whether the page is written as well.
    """
    with TemporaryDirectory(prefix="sprout-compare-") as scratch, patch.dict(os.environ, {"DVC_ROOT": scratch}):
        uri = f"sqlite:///{scratch}/mlruns/mlflow.db"
        for seed in range(builds):
            track_build(Path(scratch), uri, seed, examples)
        drain()
        client, page = open_store(uri), Path(scratch, "page.html") if html else None
        runs = [f"digits train.seed={seed}" for seed in range(builds)]
        costs = [timed(lambda: run(client, runs, page)) for _ in range(pairs)]
    seconds = [cost.wall for cost in costs]
    print_value("compare --html" if html else "compare", GOAL, seconds, unit="s", cpu=[cost.cpu for cost in costs])


def run(client: "MlflowClient", names: list[str], page: Path | None) -> None:
    """Compare these runs, as the command does."""
    subjects = read_runs(client, [find_run(client, name) for name in names])
    comparison = compare(subjects)
    list(lines(comparison))
    if page is not None:
        write_page(page, subjects, comparison, [curves_of(client, each.facts) for each in subjects])


def track_build(folder: Path, uri: str, seed: int, examples: int) -> None:
    """Track a build whose models are each wrong on other examples, and its trainings."""
    overrides = (f"train.seed={seed}",)
    composed = compose(*overrides)
    build = Build(composed.config_text, composed.config, overrides)
    for role in ROLES:
        with tracked_run(RunInfo(build, role, uri, {"data/prepared": "a" * 32})) as run:
            for epoch in range(1, EPOCHS + 1):
                run.log_curves(dict.fromkeys(("val_loss", "train_loss", "val_accuracy"), 1 / (epoch + seed)), epoch)
            for step in range(1, STEPS + 1):
                run.log_curves({"step_loss": 1 / (step + seed)}, step)
            run.log_metrics({"val_error_rate": 0.1, "epochs": EPOCHS})
    evaluation = write_evaluation(folder / "evaluation", seed, examples)
    with tracked_run(RunInfo(build, BUILD, uri, {"data/prepared": "a" * 32}, tags={HANDED_ON: "student"})) as run:
        run.log_metrics({f"{role}/test_{name}": 0.1 + seed / 100 for role in ROLES for name in ("error_rate", "f1")})
        for path in evaluation.iterdir():
            run.log_artifact(path, "evaluation")


def write_evaluation(folder: Path, seed: int, examples: int) -> Path:
    """Write what the stage `evaluate` leaves, as far as it is compared; return its folder."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    labels = np.arange(examples) % CLASSES
    wrong = {role: random.random(examples) < 0.1 for role in ROLES}
    table = {"row": np.arange(examples), "label": labels}
    pq.write_table(
        pa.table(table | {role: (labels + wrong[role]) % CLASSES for role in ROLES}), folder / "predictions.parquet"
    )
    rows = [{"model": role, "class": str(number)} for role in ROLES for number in range(CLASSES)]
    write_rows(folder / "per_class.csv", ["model", "class"], rows)
    write_json(folder / "metrics.json", {"test": {}, "pseudo_labels": {}, "handed_on": "student"})
    return folder


if __name__ == "__main__":
    command_line = parser("compare", __doc__, pairs=5)
    command_line.add_argument("--builds", type=positive, default=10, help="that are compared (default: %(default)s)")
    command_line.add_argument("--html", action="store_true", help="write the page as well")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.builds, 10_000, html=arguments.html)
