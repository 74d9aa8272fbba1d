"""The wall time of a sweep after its start-up ÷ the training time of its trials, divided by its workers.

All trials have the same length, on Fashion-MNIST. The time of a training is that of its MLflow run. The start-up ends
when the first trial starts.
"""

from pathlib import Path

from optuna.study import Study

from benchmarks.paired import parser, positive, print_value
from benchmarks.sweeps import FASHION, run_sweep, workspace
from sprout.tracking.connection import connect

GOAL = 1.05
WORKERS = 2
SPACE = ["~sweep.space.train.batch_size", "~sweep.space.model"]
"""Removed, because trials of different lengths leave a worker idle at the end, which is not overhead of the sweep."""


def measure(pairs: int, trials: int, experiment: str, overrides: list[str], prepared: Path | None = None) -> None:
    """Run sweeps and print the ratio.

    Args:
        pairs: number of sweeps.
        trials: trials of each sweep.
        experiment: the experiment whose data and model are used.
        overrides: further overrides.
        prepared: a workspace with prepared data; None makes one.
    """
    settings = [*SPACE, f"sweep.workers={WORKERS}", f"sweep.trials={trials}", "sweep.pruner=none"]
    ours, reference = [], []
    with workspace(experiment, overrides, prepared) as folder:
        for number in range(pairs):
            study = run_sweep(folder, f"overhead{number}", settings)
            ours.append(wall(study))
            reference.append(sum(training_seconds(folder, study)) / WORKERS)
    ratios = [one / other for one, other in zip(ours, reference, strict=True)]
    print_value("sweep_overhead", GOAL, ratios, unit="", ours=ours, reference=reference)


def wall(study: Study) -> float:
    """Return the time from the start of the first trial to the end of the last one, in seconds."""
    begun = [trial.datetime_start for trial in study.trials if trial.datetime_start]
    ended = [trial.datetime_complete for trial in study.trials if trial.datetime_complete]
    return (max(ended) - min(begun)).total_seconds()


def training_seconds(folder: Path, study: Study) -> list[float]:
    """Return the training time of each trial."""
    client = connect(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (sweep,) = [run for run in client.search_runs(experiments) if run.info.run_name == f"sweep {study.study_name}"]
    trials = client.search_runs(experiments, f"tags.`mlflow.parentRunId` = '{sweep.info.run_id}'")
    return [run.data.metrics["training_seconds"] for run in trials]


if __name__ == "__main__":
    line = parser("sweep_overhead", __doc__, pairs=3)
    line.add_argument("overrides", nargs="*", help="further overrides, such as download.mirror=FOLDER")
    line.add_argument("--trials", type=positive, default=16, help="trials of a sweep (default: %(default)s)")
    line.add_argument("--experiment", default="fashion_mnist", help="default: %(default)s")
    given = line.parse_intermixed_args()
    base = [*FASHION, "train.epochs=4"] if given.experiment == "fashion_mnist" else []
    measure(given.pairs, given.trials, given.experiment, [*base, *given.overrides])
