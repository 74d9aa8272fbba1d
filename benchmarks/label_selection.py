"""Labels that the section `label` selects ÷ random labels, for the error that 250 random ones reach.

    python -m benchmarks.label_selection [OVERRIDE...]                       # digits, and label=mixture
    python -m benchmarks.label_selection label=margin --fashion FOLDER       # Fashion-MNIST

The labels grow from 20 to 250 in rounds, and each round trains anew. For digits that is what the experiment `digits`
trains, a teacher and then a student by consistency training on labels and pool; the teacher's augmentation takes the
place of augmented copies, and there is no val, so the last epoch is kept. The student's features and probabilities
select the labels of the next round, pixels the first ones. On Fashion-MNIST each such training takes minutes: there a
network learns features from the pool once, by contrastive training without labels, and each round fits a logistic
regression on them.

Each seed draws its own pool and images that are held back, as test or, to choose a strategy, as val.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.label_learners import Draw, Regressions, Students
from benchmarks.paired import parser, positive
from benchmarks.small_sets import Images, digits, fashion_mnist
from benchmarks.workspace import PROJECT
from sprout.config.compose import compose_config
from sprout.config.label import LABELS, Label, Random
from sprout.config.validate import choice
from sprout.label.selection import Pool, select

GOAL = 0.6
ROUNDS = (20, 50, 80, 110, 150, 200, 250)
HELD = {"digits": 350, "fashion_mnist": 5000}
"""Images of test, and of val."""
Errors = dict[int, float]
"""By the number of labels."""


def errors(learner: Students | Regressions, settings: Label, rounds: Sequence[int]) -> Errors:
    """The error after each round, by the number of labels."""
    draw, found = learner.draw, Errors()
    selected, features, probabilities = np.zeros(0, np.int64), learner.features, None
    for size in rounds:
        left = np.setdiff1d(np.arange(len(draw.pool)), selected)
        known = draw.labels[draw.pool[selected]]
        pool = Pool(features[left], None if probabilities is None else probabilities[left], features[selected], known)
        further = select(settings, pool, size - len(selected), draw.seed + size)
        selected = np.concatenate([selected, left[further]])
        model = learner.train(selected)
        features, probabilities, found[size] = model.features, model.probabilities, model.error
        print(f"seed {draw.seed}, {settings.strategy}, {size} labels: {model.error:.2%}", file=sys.stderr, flush=True)
    return found


def labels_needed(found: Errors, wanted: float) -> float:
    """How many labels have this error, between the rounds by interpolation; infinite where none have."""
    before: tuple[int, float] | None = None
    for size, error in found.items():
        if error <= wanted:
            if before is None or before[1] == error:
                return size
            share = (before[1] - wanted) / (before[1] - error)
            return before[0] + share * (size - before[0])
        before = size, error
    return float("inf")


def summary(name: str, ours: list[Errors], random: list[Errors]) -> dict[str, object]:
    """Labels needed ÷ random labels: of the mean errors, and the range over the seeds."""
    last = max(random[0])
    wanted = mean(each[last] for each in random)
    mean_of = {
        side: {n: mean(each[n] for each in runs) for n in runs[0]}
        for side, runs in (("ours", ours), ("random", random))
    }
    each = [round(labels_needed(one, wanted) / last, 3) for one in ours]
    return {
        "name": f"label_selection_{name}",
        "ratio": round(labels_needed(mean_of["ours"], wanted) / last, 3),
        "interval": [min(each), max(each)],
        "goal": GOAL,
        "ours": {n: round(error, 4) for n, error in mean_of["ours"].items()},
        "reference": {n: round(error, 4) for n, error in mean_of["random"].items()},
        "unit": "labels",
    }


def settings_of(overrides: Sequence[str]) -> Label:
    """The section `label`."""
    values = compose_config(PROJECT / "conf", "digits", overrides).outside["label"]
    return choice("label", values, "strategy", LABELS)


def measure(
    name: str, data: Images, settings: Label, seeds: range, split: str, rounds: Sequence[int], overrides: Sequence[str]
) -> None:
    """Compare the settings with random labels, and print the result."""
    found: dict[str, list[Errors]] = {"ours": [], "random": []}
    for seed in seeds:
        with TemporaryDirectory(prefix="sprout-label-selection-") as scratch:
            draw = Draw(Path(scratch, "all"), data, split, HELD[name], seed)
            learner = Students(draw, overrides) if name == "digits" else Regressions(draw, overrides)
            found["ours"].append(errors(learner, settings, rounds))
            found["random"].append(errors(learner, Random(20, "random"), rounds))
    print(json.dumps({**summary(name, **found), "strategy": settings.strategy}), flush=True)


if __name__ == "__main__":
    command_line = parser("label_selection", __doc__, pairs=None)
    command_line.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="of the section label, or of the trainings"
    )
    command_line.add_argument("--fashion", metavar="FOLDER", type=Path, help="the official files of Fashion-MNIST")
    command_line.add_argument("--seeds", type=positive, default=5, help="(default: %(default)s)")
    command_line.add_argument("--split", choices=["val", "test"], default="test", help="(default: %(default)s)")
    arguments = command_line.parse_intermixed_args()
    of_label = [each for each in arguments.overrides if each.startswith("label")]
    others = [each for each in arguments.overrides if not each.startswith("label")]
    known = ("fashion_mnist", fashion_mnist(arguments.fashion)) if arguments.fashion else ("digits", digits())
    measure(*known, settings_of(of_label), range(arguments.seeds), arguments.split, ROUNDS, others)
