"""What a validation split can tell, and what cross-validation over all labels can: two simulations.

    python -m benchmarks.validation_size

Of N labels a fifth is val, or all are predicted out of fold. Student and control have an error of about 10%, differ on
8% of the examples, and the student is 2 percentage points worse, or better. Counted is how often the gate keeps it.

Then logistic regressions learn from draws of 64 digits. Counted is how often an interval around the cross-validated
error holds the error of the model that has learned from all 64: Wilson's, and `cross_validated_interval`.
"""

import json
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from sprout.data.store import Array
from sprout.evaluate.significance import cross_validated_interval, wilson_interval

LABELS = (50, 100, 200, 500, 1_000, 2_000)
VAL = 0.2
DIFFERING, BETTER, ERROR = 0.08, 0.02, 0.1
DRAWS = 20_000
DRAWN = 150
"""Draws of labels for the coverage."""


def kept(examples: int, better: float) -> float:
    """The share of draws in which the student wins at least as many examples as it loses."""
    shares = [(DIFFERING + better) / 2, (DIFFERING - better) / 2, 1 - DIFFERING]
    drawn = np.random.default_rng(0).multinomial(examples, shares, size=DRAWS)
    return float((drawn[:, 0] >= drawn[:, 1]).mean())


def row(labels: int) -> dict[str, float]:
    """The figures for so many labels, by val and by cross-validation."""
    found: dict[str, float] = {"labels": labels}
    intervals = {"val": (round(VAL * labels), wilson_interval), "folds": (labels, cross_validated_interval)}
    for name, (examples, interval) in intervals.items():
        low, high = interval(round(ERROR * examples), examples)
        found |= {f"{name}_worse_kept": kept(examples, -BETTER), f"{name}_better_kept": kept(examples, BETTER)}
        found[f"{name}_interval"] = round(high - low, 3)
    return found


def covered(draws: int, labels: int = 64, folds: int = 5) -> dict[str, float]:
    """How often each interval around the cross-validated error of a logistic regression holds its error."""
    images, classes = load_digits(return_X_y=True)
    images = images / images.max()
    found: dict[str, list[bool]] = {"wilson": [], "cross_validated": []}
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(classes))
        known, rest = order[:labels], order[labels:]
        wrong = 0
        for learned, judged in StratifiedKFold(folds, shuffle=True, random_state=seed).split(known, classes[known]):
            wrong += round(error(images, classes, known[learned], known[judged]) * len(judged))
        true = error(images, classes, known, rest)
        for name, interval in (("wilson", wilson_interval), ("cross_validated", cross_validated_interval)):
            low, high = interval(wrong, labels)
            found[name].append(low <= true <= high)
    return {name: round(float(np.mean(each)), 3) for name, each in found.items()}


def error(images: Array, classes: Array, learned: Array, judged: Array) -> float:
    """The error of a logistic regression that has learned from some rows, on others."""
    model = LogisticRegression(max_iter=100).fit(images[learned], classes[learned])
    return 1 - float(model.score(images[judged], classes[judged]))


def main() -> None:
    """Print a line for each number of labels, and one for the intervals."""
    for labels in LABELS:
        print(json.dumps(row(labels)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of fewer examples than folds, and fits that are nearly done
        print(json.dumps({"name": "coverage", "draws": DRAWN, **covered(DRAWN)}))


if __name__ == "__main__":
    main()
