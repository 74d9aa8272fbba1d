"""Runs sweeps by the command line, in a copy of the project."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import yaml
from optuna.study import Study

from benchmarks.paired import cost
from benchmarks.workspace import environment, prepared_copy

FASHION = ["prepare.first=12500", "prepare.val=2500", "train/schedule=constant", "train.threads=1"]
"""10,000 training and 2,500 validation images of Fashion-MNIST."""


@contextmanager
def workspace(experiment: str, overrides: Sequence[str], prepared: Path | None = None) -> Iterator[Path]:
    """Make a copy of the project with prepared data, or copy one that is prepared."""
    with TemporaryDirectory(prefix="sprout-sweep-") as scratch:
        folder = Path(scratch, "project")
        params = {"experiment": experiment, "overrides": [*overrides]}
        prepared_copy(folder, environment(Path(scratch, "dvc")), yaml.safe_dump(params), prepared)
        yield folder


def run_sweep(folder: Path, name: str, overrides: Sequence[str]) -> Study:
    """Run a sweep, and return its study."""
    command = ["sprout", "sweep", f"sweep.name={name}", *overrides]
    took = cost(command, folder, environment(folder.with_name("dvc")))
    print(f"{name}: {took.wall:.0f} s", file=sys.stderr, flush=True)
    (study_folder,) = (folder / "mlruns" / "sweeps").glob(f"*-{name}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(study_name=study_folder.name, storage=f"sqlite:///{study_folder}/study.db")
