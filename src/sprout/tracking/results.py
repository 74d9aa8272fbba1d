"""The results of a finished training, as its run has them; also of one that DVC restored from its cache."""

from dataclasses import replace
from pathlib import Path

from sprout.runtime.checksums import SUMS, read_sums
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json, read_rows
from sprout.runtime.model_folder import WEIGHTS
from sprout.tracking import tags
from sprout.tracking.describe import RunInfo
from sprout.tracking.run import Measured, Run, tracked_run


def record_restored(info: RunInfo, folder: Path) -> None:
    """Record a stage that DVC restored from its cache instead of running it.

    Nothing is recorded if the build has a finished or running run of this role already.

    Args:
        info: what its run is.
        folder: the model folder, with `metrics.json` (numbers, possibly nested) and `history.csv` (one row per epoch;
            an empty cell is a metric that was not measured).

    Raises:
        UserError: one of the two files is missing.
    """
    for name in ("metrics.json", "history.csv"):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: missing, so the {info.role} cannot be recorded; run `dvc checkout`")
    with tracked_run(replace(info, tags={**info.tags, tags.RESTORED: "true"})) as run:
        _log_history(run, folder / "history.csv")
        log_results(run, folder)


def log_results(run: Run, folder: Path, of: Measured | None = None) -> None:
    """Log the hash of a finished model's weights, and what they have on val: `val_accuracy` and the like."""
    metrics = read_json(folder / "metrics.json")
    run.log_metrics({name: value for name, value in metrics.items() if name != "val"})
    run.log_metrics({f"val_{name}": rounded(value) for name, value in metrics["val"].items()}, of=of)
    sums = folder / SUMS
    if (digest := read_sums(sums).get(WEIGHTS) if sums.is_file() else None) is not None:
        run.set_tags({tags.WEIGHTS: digest})


def rounded(value: float | None) -> float | None:
    """A figure for a list of runs, with five digits; the files have it in full."""
    return None if value is None else float(f"{value:.5g}")


def _log_history(run: Run, path: Path) -> None:
    """Log the metrics of each epoch."""
    for row in read_rows(path):
        epoch = int(row.pop("epoch"))
        run.log_curves({name: float(value) for name, value in row.items() if value}, step=epoch)
