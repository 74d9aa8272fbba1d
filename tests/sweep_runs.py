"""What tests of whole sweeps share: their studies and runs."""

import subprocess
import time
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.study import Study

from sprout.tracking.connection import connect

SHORT = ["train.epochs=3", "sweep.trials=6", "sweep.workers=2"]
NAME = "digits-default"


def study_of(project: Path, name: str) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(study_name=None, storage=f"sqlite:///{project}/mlruns/sweeps/{name}/study.db")


def count(study: Study) -> dict[str, int]:
    states = [trial.state.name for trial in study.trials]
    return {state: states.count(state) for state in sorted(set(states))}


def runs(project: Path, name: str) -> tuple[Any, list[Any]]:
    """Return the MLflow runs of the sweep and of its trials."""
    client = client_of(project)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, max_results=1000)
    (sweep,) = [each for each in found if each.info.run_name == f"sweep {name}"]
    return sweep, [each for each in found if each.data.tags.get("mlflow.parentRunId") == sweep.info.run_id]


def client_of(project: Path) -> Any:
    return connect(f"sqlite:///{project}/mlruns/mlflow.db")


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for(project: Path, name: str, done: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a number of trials have finished."""
    end = time.monotonic() + 300
    results = project / "mlruns/sweeps" / name / "results"
    while len(list(results.glob("*.json"))) < done:
        assert time.monotonic() < end, "no trial ends"
        assert process.poll() is None, process.returncode
        time.sleep(0.05)
