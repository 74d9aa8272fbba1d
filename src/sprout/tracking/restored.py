"""A stage that DVC restored from its cache: it did not run here, but its build shall show it."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from sprout.config.workspace import Build
from sprout.runtime.errors import UserError
from sprout.tracking.describe import RESTORED, flatten
from sprout.tracking.lineage import GitState
from sprout.tracking.run import Run, tracked_run


def record_restored(build: Build, role: str, folder: Path, uri: str, data: Mapping[str, str], git: GitState) -> None:
    """Record the stage from what it handed on, unless the build has a finished or running run of that role.

    Args:
        build: what the stage belongs to.
        role: teacher or student.
        folder: holds `metrics.json` (numbers, possibly nested) and `history.csv` (one row per epoch; an empty
            cell is a metric that was not measured).
        uri: as `tracking_uri` gives it.
        data: the paths that the stage read, with DVC's hashes.
        git: the state of the code.

    Raises:
        UserError: one of the two files is missing.
    """
    for name in ("metrics.json", "history.csv"):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing, so the {role} cannot be recorded: run `dvc checkout`.")
    with tracked_run(build, role, uri, data, git, {RESTORED: "true"}) as run:
        last = _log_history(run, folder / "history.csv")
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        run.log_metrics(flatten(metrics), step=last)


def _log_history(run: Run, path: Path) -> int:
    """Log each epoch; the last one's number, so that the final metrics come behind it."""
    last = 0
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            last = int(row.pop("epoch"))
            run.log_metrics({name: float(value) for name, value in row.items() if value}, step=last)
    return last
