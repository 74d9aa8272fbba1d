"""How the errors of two models on the same examples differ, and whether beyond chance."""

import math
from dataclasses import dataclass

from sprout.data.store import Array
from sprout.evaluate.significance import CROSSED, mcnemar_p, paired_interval

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """Two models on the same examples."""

    examples: int
    worse: int
    """Examples on which only the first model is right; of numbers, on which the second has the larger error."""
    better: int
    """Examples on which only the second model is right; of numbers, on which it has the smaller error."""
    difference: float
    """The second mean error minus the first."""
    low: float
    high: float
    """Its 95% interval."""
    p: float
    """Of McNemar's exact test; of numbers, of the paired t-test."""

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval is on one side of 0 and the test agrees, as of few examples they may disagree."""
        return (self.low > 0 or self.high < 0) and self.p < 1 - LEVEL


def paired_classes(worse: int, better: int, total: int, *, crossed: bool = False) -> Difference:
    """Compare two classifiers.

    Args:
        worse: examples that only the first model gets right.
        better: examples that only the second model gets right.
        total: examples, at least one.
        crossed: whether each was judged by models of cross-validation; see `cross_validated_interval`.
    """
    share = CROSSED if crossed else 1.0
    counted = [round(share * count) for count in (worse, better, total)]
    low, high = paired_interval(*counted)
    return Difference(total, worse, better, (worse - better) / total, -high, -low, mcnemar_p(counted[0], counted[1]))


def paired_numbers(first: Array, second: Array) -> Difference:
    """Compare the errors of two models by the t interval of their differences.

    Args:
        first: (n,) errors of the first model, at least one.
        second: (n,) errors of the second one, on the same examples.
    """
    from scipy.special import stdtr, stdtrit

    differences = second - first
    count, mean = len(differences), float(differences.mean())
    worse, better = int((differences > 0).sum()), int((differences < 0).sum())
    if count < 2:
        return Difference(count, worse, better, mean, -math.inf, math.inf, 1.0)
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * error
    p = 2 * float(stdtr(count - 1, -abs(mean) / error)) if error else float(mean == 0)
    return Difference(count, worse, better, mean, mean - half, mean + half, p)
