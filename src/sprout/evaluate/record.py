"""The metrics on test, on the build's own run in MLflow."""

from pathlib import Path

from sprout.config.workspace import Build
from sprout.evaluate.tested_on import tested_on
from sprout.models.card import load_card
from sprout.runtime.files import read_json, read_rows
from sprout.runtime.model_folder import own_models
from sprout.tracking import (
    BUILD,
    HANDED_ON,
    RunInfo,
    data_hashes,
    git_state,
    record_restored,
    tracked_run,
    tracking_uri,
    trained_on,
)

EVALUATED_ON = ("data/prepared", "data/pseudo_labels", "models/teacher", "models/control", "models/student")


def track_evaluation(build: Build, evaluation: Path) -> None:
    """Log the metrics and keep the files; a model that DVC restored from its cache gets its run first.

    Args:
        build: the composed config.
        evaluation: the folder that the stage has written.
    """
    uri, here, git = tracking_uri(), Path.cwd(), git_state(Path.cwd())
    metrics = read_json(evaluation / "metrics.json")
    split = tested_on(metrics)
    for role, folder in own_models(Path("models")).items():
        if load_card(folder).kept:  # the student is a copy
            continue
        info = RunInfo(build, role, uri, data_hashes(here, trained_on(role)), git)
        record_restored(info, folder)
    data, tags = data_hashes(here, EVALUATED_ON), {HANDED_ON: metrics["handed_on"]}
    with tracked_run(RunInfo(build, BUILD, uri, data, git, tags)) as run:
        for role in metrics[split]:
            run.log_metrics({f"{split}_{key}_{role}": value for key, value in metrics[split][role].items()})
        for role in metrics["pseudo_labels"]:
            found = metrics["pseudo_labels"][role]
            run.log_metrics({f"pseudo_labels_{key}_{role}": value for key, value in found.items()})
        for row in read_rows(evaluation / "labels_by_epoch.csv"):
            if row["share"]:
                run.log_metrics({f"labels_{row['measure']}_student": float(row["share"])}, step=int(row["epoch"]))
        for path in sorted(evaluation.iterdir()):
            run.log_artifact(path, "evaluation")
