"""Test error of what is built from few labels ÷ of the control, which takes the student's steps on labels alone.

    python -m benchmarks.few_labels                                          # digits with 50 and with 100 labels
    python -m benchmarks.few_labels --fashion ../shared/data/fashion-mnist   # also Fashion-MNIST with 250 and 1,000

Each seed draws labels, val and test of its own; all choices (best epoch, the control's augmentation, the gate) are made
on val. The ratio is that of the mean errors, its range that of the seeds.
"""

import json
from statistics import mean
from typing import NamedTuple

from benchmarks.paired import parser, positive
from benchmarks.seeds import Metrics, errors, run_seeds


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


def measure(case: Case, seeds: range, overrides: list[str]) -> None:
    """Build each seed, and print the result."""
    results = run_seeds(case.experiment, [*case.overrides, *overrides], "test", seeds)
    print(json.dumps(summary(case, results)), flush=True)


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
    }


if __name__ == "__main__":
    command_line = parser("few_labels", __doc__, pairs=None)
    command_line.add_argument("overrides", nargs="*", help="further overrides")
    command_line.add_argument("--fashion", metavar="FOLDER", help="the official files of Fashion-MNIST")
    command_line.add_argument("--seeds", type=positive, default=5, help="(default: %(default)s)")
    arguments = command_line.parse_intermixed_args()
    for one in DIGITS:
        measure(one, range(arguments.seeds), arguments.overrides)
    if arguments.fashion:
        for one in FASHION:
            measure(one, range(arguments.seeds), [f"download.mirror={arguments.fashion}", *arguments.overrides])
