"""How far chance goes: two closed forms, as importing scipy.stats for them takes longer than the whole page."""

import math
from statistics import NormalDist


def wilson(hits: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a share at this level (Wilson, 1927); it stays inside 0..1 and holds near both ends.

    Args:
        hits: examples that are right.
        total: examples, at least one.
        level: of confidence.
    """
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    middle = (hits + z2 / 2) / (total + z2)
    half = math.sqrt(z2 * (hits * (total - hits) / total + z2 / 4)) / (total + z2)
    return max(0.0, middle - half), min(1.0, middle + half)


def coin(heads: int, tails: int) -> float:
    """Probability that a fair coin falls at least so unevenly, to either side; 1 where it is never tossed.

    McNemar's test in its exact form, of the examples that just one of two models gets right.
    """
    tosses, fewer = heads + tails, min(heads, tails)
    both_sides: float = 2 * sum(math.comb(tosses, k) for k in range(fewer + 1)) / 2**tosses
    return min(1.0, both_sides)
