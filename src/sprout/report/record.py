"""What a build has found, on its own run in MLflow: figures, files, the page and a description."""

from pathlib import Path
from typing import Any

from sprout.config.workspace import Build
from sprout.evaluate.tested_on import tested_on
from sprout.runtime.files import read_json, read_rows
from sprout.runtime.model_folder import own_models, read_card
from sprout.tasks import task_named
from sprout.tracking import (
    BUILD,
    HANDED_ON,
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

EVALUATED_ON = ("data/prepared", "data/pseudo_labels", "models/teacher", "models/control", "models/student")
MODELS = Path("models")
FIRST = "error_rate"
"""The metric of a model that matters most; of tasks without it, their first."""
SUMMARY = Path("data/prepared/summary.json")
TEST_STORE = Path("data/prepared/test/store.json")
"""With the SHA-256 of its examples, by which builds are compared on the same ones."""
OF_POOL = ("accepted", "coverage", "precision_estimated", "precision_measured")
"""What is logged of the labels that unlabelled examples got."""


def track_build(build: Build, evaluation: Path, page: Path, headline: str) -> None:
    """Log figures and files of a build; a model that DVC restored from its cache gets its run first.

    Args:
        build: the composed config.
        evaluation: the folder of the stage `evaluate`.
        page: of the report.
        headline: of the report.
    """
    uri, here, git = tracking_uri(), Path.cwd(), git_state(Path.cwd())
    metrics = read_json(evaluation / "metrics.json")
    folders = own_models(MODELS)
    for role, folder in folders.items():
        if not read_card(folder)["kept"]:  # otherwise the student is a copy
            record_restored(RunInfo(build, role, uri, data_hashes(here, trained_on(role)), git), folder)
    data, tags = data_hashes(here, EVALUATED_ON), {HANDED_ON: metrics["handed_on"]}
    with tracked_run(RunInfo(build, BUILD, uri, data, git, tags)) as run:
        columns = log_figures(run, metrics, folders)
        for row in read_rows(evaluation / "labels_by_epoch.csv"):
            if row["share"]:
                run.log_curves({f"pool_{row['measure']}": float(row["share"])}, step=int(row["epoch"]))
        run.describe(headline, "report/index.html", columns)
        run.log_artifact(page, "report")
        run.log_artifact(SUMMARY, "data")
        run.log_artifact(TEST_STORE, "data/test")
        for path in sorted(evaluation.iterdir()):
            run.log_artifact(path, "evaluation")


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
