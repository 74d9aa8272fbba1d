"""What a validation split can tell, and what cross-validation over all labels can: a simulation, without any training.

    python -m benchmarks.validation_size

Of N labels a fifth is val, or all are predicted out of fold. Student and control have an error of about 10%, differ on
8% of the examples, and the student is 2 percentage points worse, or better. Counted is how often the gate keeps it.
"""

import json

import numpy as np

from sprout.evaluate.significance import wilson_interval

LABELS = (50, 100, 200, 500, 1_000, 2_000)
VAL = 0.2
DIFFERING, BETTER, ERROR = 0.08, 0.02, 0.1
DRAWS = 20_000


def kept(examples: int, better: float) -> float:
    """The share of draws in which the student wins at least as many examples as it loses."""
    shares = [(DIFFERING + better) / 2, (DIFFERING - better) / 2, 1 - DIFFERING]
    drawn = np.random.default_rng(0).multinomial(examples, shares, size=DRAWS)
    return float((drawn[:, 0] >= drawn[:, 1]).mean())


def row(labels: int) -> dict[str, float]:
    """The figures for so many labels, by val and by cross-validation."""
    found: dict[str, float] = {"labels": labels}
    for name, examples in (("val", round(VAL * labels)), ("folds", labels)):
        low, high = wilson_interval(round(ERROR * examples), examples)
        found |= {f"{name}_worse_kept": kept(examples, -BETTER), f"{name}_better_kept": kept(examples, BETTER)}
        found[f"{name}_interval"] = round(high - low, 3)
    return found


def main() -> None:
    """Print a line for each number of labels."""
    for labels in LABELS:
        print(json.dumps(row(labels)))


if __name__ == "__main__":
    main()
