"""The 95% intervals of figures that are no shares of examples: means, and what is computed from several means."""

from collections.abc import Callable

import numpy as np

from sprout.data.store import Array
from sprout.evaluate.significance import SURE, standard_error, t_quantile
from sprout.report.inputs import Inputs

Interval = tuple[float, float]
Intervals = dict[str, list[Interval]]
"""By the key of a metric the interval of each model shown."""
RESAMPLES = 1000


def mean_interval(values: Array) -> Interval:
    """Return the t interval of the mean of values, (N,), as `sprout compare` has it; N is 2 or more."""
    middle, half = float(values.mean(dtype=np.float64)), t_quantile(len(values)) * standard_error(values)
    return middle - half, middle + half


def bootstrap_interval(statistic: Callable[..., float], *columns: Array) -> Interval:
    """Return the percentile interval of a statistic of examples (Efron, 1979); the same examples give the same one.

    Args:
        statistic: takes the columns of resampled examples; NaN where it is not defined.
        columns: (N,) each, N of 2 or more.
    """
    draws, count = np.random.default_rng(0), len(columns[0])
    found = []
    for _ in range(RESAMPLES):
        chosen = draws.integers(0, count, count)
        found.append(statistic(*(column[chosen] for column in columns)))
    low, high = np.nanquantile(found, [(1 - SURE) / 2, (1 + SURE) / 2])
    return float(low), float(high)


def in_words(interval: Interval | None, form: Callable[[float], str], before: str = "") -> str:
    """Return ` (2.8 to 3.6)`, both bounds in this form, with what is said before them; nothing without an interval."""
    return "" if interval is None else f" ({before}{' to '.join(map(form, interval))})"


def of_shown(intervals: Intervals, key: str, inputs: Inputs) -> Interval | None:
    """Return the interval of a metric of the model shown; None where there is none."""
    return intervals[key][list(inputs.models).index(inputs.shown)] if key in intervals else None
