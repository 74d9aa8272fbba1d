"""Test error of what is built from few labels ÷ of the control, which takes the student's steps on labels alone.

    python -m benchmarks.few_labels                                          # digits with 50 and with 100 labels
    python -m benchmarks.few_labels --fashion ../shared/data/fashion-mnist   # also Fashion-MNIST with 250 and 1,000

Each seed draws labels, val and test of its own; all choices (best epoch, the control's augmentation, the gate) are made
on val. The ratio is that of the mean errors, its range that of the seeds.

With `--equal-time` another control is trained, which takes as many times more steps as the student's step takes longer.
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from benchmarks.paired import cost, parser, positive
from benchmarks.seeds import Metrics, errors, run_seeds, write_params
from sprout.config.workspace import BUILD, read_build
from sprout.data.store import class_indices, open_store
from sprout.models.predictor import load_predictor
from sprout.tracking.connection import connect

EQUAL_TIME = "control of equal time"


class Case(NamedTuple):
    """A data set with few labels."""

    name: str
    experiment: str
    overrides: list[str]
    goal: float


DIGITS = [
    Case("digits_50", "digits", ["prepare.labels=50"], 0.55),
    Case("digits_100", "digits", ["prepare.labels=100"], 0.65),
]
FASHION = [
    Case("fashion_mnist_250", "fashion_mnist_few", ["prepare.labels=250"], 0.75),
    Case("fashion_mnist_1000", "fashion_mnist_few", ["prepare.labels=1000"], 0.85),
]


def measure(case: Case, seeds: range, overrides: list[str], *, equal_time: bool) -> None:
    """Build each seed, and print the result."""
    given = [*case.overrides, *overrides]
    further = partial(equal_time_control, case.experiment, given) if equal_time else None
    results = run_seeds(case.experiment, given, "test", seeds, further)
    print(json.dumps(summary(case, results)), flush=True)


def equal_time_control(
    experiment: str, overrides: list[str], folder: Path, env: Mapping[str, str], seed: int
) -> dict[str, Metrics]:
    """Train the control for as long as the student has trained; return its error on test, and how many times longer.

    Args:
        experiment: that was built.
        overrides: its overrides.
        folder: the workspace.
        env: the environment of its commands.
        seed: that was built.
    """
    seconds, epochs = training_seconds(folder), read_build(folder / BUILD).config["retrain"]["epochs"]
    times = mean(seconds["student"]) / mean(seconds["control"])
    write_params(folder, experiment, [*overrides, f"retrain.epochs={round(times * epochs)}"], seed)
    cost(["dvc", "repro", "control"], folder, env)
    control, test = load_predictor(folder / "models/control"), open_store(folder / "data/prepared/test")
    predicted = control.outputs_of(test, "test").argmax(axis=1)
    error = float((predicted != class_indices(test.labels)).mean())
    return {EQUAL_TIME: {"test_error_rate": error, "times": times}}


def training_seconds(folder: Path) -> dict[str, list[float]]:
    """How long each training of control and student took in the latest build of a workspace, by its MLflow runs."""
    client = connect(f"sqlite:///{folder}/mlruns/mlflow.db")
    build = read_build(folder / BUILD).name
    found: dict[str, list[float]] = {"control": [], "student": []}
    for run in client.search_runs([each.experiment_id for each in client.search_experiments()]):
        if run.data.tags["sprout.build"] == build and run.data.tags["sprout.role"] in found:
            found[run.data.tags["sprout.role"]].append(run.data.metrics["training_seconds"])
    return found


def summary(case: Case, results: dict[str, list[Metrics]]) -> dict[str, object]:
    """Return the ratio of the mean errors, and those of each seed."""
    ours, reference = errors(results, "student", "test"), errors(results, "control", "test")
    each = [one / other for one, other in zip(ours, reference, strict=True)]
    return {
        "name": f"few_labels_{case.name}",
        "ratio": round(mean(ours) / mean(reference), 3),
        "interval": [round(min(each), 3), round(max(each), 3)],
        "goal": case.goal,
        "ours": ours,
        "reference": reference,
        "teacher": errors(results, "teacher", "test"),
        "unit": "",
        **({"equal_time": of_equal_time(ours, results[EQUAL_TIME])} if EQUAL_TIME in results else {}),
    }


def of_equal_time(ours: list[float], control: list[Metrics]) -> dict[str, object]:
    """Return the ratio to the control that trained for as long as the student."""
    reference = [each["test_error_rate"] for each in control]
    times = [round(each["times"], 2) for each in control]
    return {"ratio": round(mean(ours) / mean(reference), 3), "reference": reference, "times_as_many_steps": times}


def chosen(cases: list[Case], name: str | None) -> list[Case]:
    """Return the case of this name, or all."""
    return [case for case in cases if name in (None, case.name)]


if __name__ == "__main__":
    command_line = parser("few_labels", __doc__, pairs=None)
    command_line.add_argument("overrides", nargs="*", help="further overrides")
    command_line.add_argument("--fashion", metavar="FOLDER", help="the official files of Fashion-MNIST")
    command_line.add_argument("--seeds", type=positive, default=5, help="(default: %(default)s)")
    command_line.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    command_line.add_argument("--equal-time", action="store_true", help="train a control for the student's time, too")
    names = [case.name for case in (*DIGITS, *FASHION)]
    command_line.add_argument("--only", choices=names, help="one of the cases")
    arguments = command_line.parse_intermixed_args()
    numbers = range(arguments.first, arguments.first + arguments.seeds)
    for one in chosen(DIGITS, arguments.only):
        measure(one, numbers, arguments.overrides, equal_time=arguments.equal_time)
    if arguments.fashion:
        for one in chosen(FASHION, arguments.only):
            further = [f"download.mirror={arguments.fashion}", *arguments.overrides]
            measure(one, numbers, further, equal_time=arguments.equal_time)
