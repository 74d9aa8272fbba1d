"""What a build has found, on its own run in MLflow: figures, files, the page and a description."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sprout.config.results import Tracking
from sprout.config.workspace import Build, section
from sprout.data.store import open_store
from sprout.evaluate.tested_on import TEST, tested_on
from sprout.evaluate.val_errors import VAL_ERRORS, read_val_errors
from sprout.runtime.checksums import SUMS, read_sums
from sprout.runtime.files import read_json, read_rows
from sprout.runtime.model_folder import WEIGHTS, own_models, read_card
from sprout.tasks import task_named
from sprout.tracking import (
    BUILD,
    HANDED_ON,
    ORIGINS,
    Candidate,
    Measured,
    Run,
    RunInfo,
    data_hashes,
    git_state,
    record_restored,
    rounded,
    tracked_run,
    tracking_uri,
    trained_on,
)

MADE = ("data/pseudo_labels", "models/teacher", "models/control", "models/student", "reports/evaluation")
"""What the stages of a build hand on, beside its data."""
MODELS = Path("models")
FIRST = "error_rate"
"""The metric of a model that matters most; of tasks without it, their first."""
SUMMARY = Path("data/prepared/summary.json")
TEST_STORE = Path("data/prepared/test/store.json")
"""With the SHA-256 of its examples, by which builds are compared on the same ones."""
TRAIN = Path("data/prepared/train")
PAGE = "report/index.html"
"""The report, as an artifact of the build's run."""
OF_POOL = ("accepted", "coverage", "precision_estimated", "precision_measured")
"""What is logged of the labels that unlabelled examples got."""


def record_models(build: Build) -> None:
    """Give each model of a build that DVC restored from its cache a run, so that the store knows the build."""
    uri, here, git = tracking_uri(), Path.cwd(), git_state(Path.cwd())
    for role, folder in own_models(MODELS).items():
        if not read_card(folder)["kept"]:  # otherwise the student is a copy
            record_restored(RunInfo(build, role, uri, data_hashes(here, trained_on(role)), git), folder)


def track_build(build: Build, evaluation: Path, page: Path, headline: str) -> None:
    """Log figures and files of a build.

    Args:
        build: the composed config.
        evaluation: the folder of the stage `evaluate`.
        page: of the report.
        headline: of the report.
    """
    uri, here, git = tracking_uri(), Path.cwd(), git_state(Path.cwd())
    metrics = read_json(evaluation / "metrics.json")
    folders = own_models(MODELS)
    data, tags = data_hashes(here, (*ORIGINS, *MADE)), {HANDED_ON: metrics["handed_on"]}
    log_model = section(build, "tracking", Tracking).log_model
    with tracked_run(RunInfo(build, BUILD, uri, data, git, tags)) as run:
        if log_model:
            role = metrics["handed_on"]
            run.log_model(folders[role], open_store(TRAIN).take(np.arange(1)), role)
        columns = log_figures(run, metrics, folders)
        for row in read_rows(evaluation / "labels_by_epoch.csv"):
            if row["share"]:
                run.log_curves({f"pool_{row['measure']}": float(row["share"])}, step=int(row["epoch"]))
        run.describe(headline, PAGE, columns)
        run.log_artifact(page, "report")
        run.log_artifact(SUMMARY, "data")
        run.log_artifact(TEST_STORE, "data/test")
        for path in sorted(evaluation.iterdir()):
            run.log_artifact(path, "evaluation")
        if log_model:
            run.register(candidate(metrics, folders, evaluation, headline, data))


def candidate(
    metrics: dict[str, Any], folders: dict[str, Path], evaluation: Path, headline: str, data: dict[str, str]
) -> Candidate:
    """The model that the build hands on, as the model registry gets it.

    Args:
        metrics: of the evaluation.
        folders: of the models.
        evaluation: the folder of the stage `evaluate`.
        headline: of the report.
        data: the paths that the build reads, with DVC's hashes.
    """
    role, errors = metrics["handed_on"], evaluation / VAL_ERRORS
    tags = in_words(metrics, folders[role], evaluation) | {"sprout.data": data.get("data/prepared", "")}
    weights = read_sums(folders[role] / SUMS)[WEIGHTS]
    return Candidate(role, weights, errors if errors.exists() else None, headline, PAGE, tags)


def in_words(metrics: dict[str, Any], folder: Path, evaluation: Path) -> dict[str, str]:
    """What the handed-on model has on val or in cross-validation, and on test, with the intervals that the task has."""
    task, errors = task_named(read_card(folder)["task"]), evaluation / VAL_ERRORS
    judged = read_val_errors(errors) if errors.exists() else None
    crossed, count = (judged.crossed, len(judged.errors)) if judged else (False, 0)
    on_val = task.summary(read_json(folder / "metrics.json")["val"], count, crossed=crossed)
    tags = {"sprout.cross_validated" if crossed else "sprout.val": on_val}
    if TEST in metrics:
        tested = pq.read_metadata(evaluation / "predictions.parquet").num_rows
        tags["sprout.test"] = task.summary(metrics[TEST][metrics["handed_on"]], tested)
    return tags


def of_trainings(folders: dict[str, Path]) -> str:
    """Return the figure that trainings, trials and sweeps have in the list of runs: what is measured each epoch."""
    folder = next(iter(folders.values()))
    known = read_json(folder / "metrics.json")["val"]
    return f"val_{task_named(read_card(folder)['task']).epoch_metric or next(iter(known))}"


def log_figures(run: Run, metrics: dict[str, Any], folders: dict[str, Path]) -> list[str]:
    """Log what each model has on the examples that it is tested on and on val, and the labels that the pool got.

    The first part of a name is the model or `pool`, under which MLflow's page groups its charts.

    Returns:
        the metrics that matter most.
    """
    split, columns = tested_on(metrics), list[str]()
    for role, found in metrics[split].items():
        measured = Measured(role, "data/prepared")
        run.log_metrics({f"{role}/{split}_{key}": rounded(value) for key, value in found.items()}, of=measured)
        on_val = read_json(folders[role] / "metrics.json")["val"]
        run.log_metrics({f"{role}/val_{key}": rounded(value) for key, value in on_val.items()})
        first = FIRST if FIRST in found else next(iter(found))
        columns += [f"{role}/{split}_{first}", f"{role}/val_{first}"]
    columns.append(of_trainings(folders))
    for role, found in metrics["pseudo_labels"].items():
        run.log_metrics({f"pool/{key}_{role}": rounded(found[key]) for key in OF_POOL if key in found})
        columns += [f"pool/{key}_{role}" for key in OF_POOL if found.get(key) is not None]
    return columns
