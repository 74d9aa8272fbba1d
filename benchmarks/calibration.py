"""Expected calibration error of the teacher on test after temperature scaling ÷ before, mean over seeds.

    python -m benchmarks.calibration --fashion ../shared/data/fashion-mnist [--seeds 5]

The teacher of the experiment fashion_mnist_few: 1,000 labels, 1,000 val examples that fit the temperature, 10,000 test
examples that measure. Each seed draws labels and val of its own.
"""

import json
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.paired import cost, parser, positive
from benchmarks.seeds import write_params
from benchmarks.workspace import copy_project, environment
from sprout.data.store import class_indices, open_store
from sprout.evaluate.calibration import BINS, calibration_error
from sprout.models.predictor import Predictor, load_predictor

GOAL = 0.5


def measure(seeds: range, overrides: list[str], experiment: str = "fashion_mnist_few") -> None:
    """Build the teacher of each seed, and print the result."""
    found = []
    with TemporaryDirectory(prefix="sprout-calibration-") as scratch:
        folder, env = Path(scratch, "project"), environment(Path(scratch, "dvc"))
        copy_project(folder, env)
        for seed in seeds:
            write_params(folder, experiment, overrides, seed)
            cost(["dvc", "repro", "train"], folder, env)
            found.append(errors(folder, load_predictor(folder / "models/teacher")))
    print(json.dumps(summary(found)))


def errors(folder: Path, teacher: Predictor) -> tuple[float, float]:
    """The calibration error on test of the teacher of a workspace, before and after."""
    test = open_store(folder / "data/prepared/test")
    labels, outputs = class_indices(test.labels), teacher.outputs_of(test, "test")
    known = np.flatnonzero(labels >= 0)
    found = teacher.task.outcomes(outputs, teacher.card, labels)[known]
    before, after = (
        calibration_error(found[f"{name}confidence"].copy(), found[f"{name}predicted"] == labels[known], BINS)
        for name in ("raw_", "")
    )
    return before, after


def summary(found: list[tuple[float, float]]) -> dict[str, object]:
    """The ratio of the mean errors, and the range of the seeds' ratios."""
    before, after = zip(*found, strict=True)
    ratios = [late / early for early, late in found]
    return {
        "name": "calibration",
        "ratio": round(mean(after) / mean(before), 3),
        "interval": [round(min(ratios), 3), round(max(ratios), 3)],
        "goal": GOAL,
        "ours": [round(each, 4) for each in after],
        "reference": [round(each, 4) for each in before],
        "unit": "expected calibration error",
    }


if __name__ == "__main__":
    command_line = parser("calibration", __doc__, pairs=None)
    command_line.add_argument("--seeds", type=positive, default=5, help="default: %(default)s")
    command_line.add_argument("--fashion", metavar="FOLDER", required=True, help="the official files of Fashion-MNIST")
    arguments = command_line.parse_args()
    measure(range(arguments.seeds), [f"download.mirror={Path(arguments.fashion).resolve()}"])
