"""Two programs run in turn, A B A B …, and the ratio of the time that they took."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile

# Below this the median has no interval of 95%: 1 - 2 * 0.5**5 is 94%.
FEWEST = 6


@dataclass(frozen=True)
class Cost:
    """What one run of a command took, in seconds: on the clock, and of all its processes on the processors."""

    wall: float
    cpu: float


def cost(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command to its end; processes that it started and waited for count as its own.

    Raises:
        RuntimeError: it failed; what it printed is in the message.
    """
    with TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            printed = output.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}\n{printed}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def in_turn(
    ours: Callable[[], Cost], reference: Callable[[], Cost], pairs: int
) -> tuple[list[Cost], list[Cost]]:
    """Run the two `pairs` times, one after the other, so that a busy machine slows both."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for pair in range(1, pairs + 1):
        for side, run in zip(costs, (ours, reference), strict=True):
            side.append(run())
        print(
            f"pair {pair} of {pairs}: {costs[0][-1].wall:.2f} s ÷ {costs[1][-1].wall:.2f} s", file=sys.stderr
        )
    return costs


def print_figure(name: str, goal: float, ours: Sequence[Cost], reference: Sequence[Cost]) -> None:
    """Print the figure as one JSON line: the ratios of wall times, and under `cpu` those of CPU times."""
    if len(ours) < FEWEST:
        print(f"fewer than {FEWEST} pairs: the interval is the range of the ratios, not 95%", file=sys.stderr)
    wall = compared([one.wall for one in ours], [one.wall for one in reference])
    cpu = compared([one.cpu for one in ours], [one.cpu for one in reference])
    print(json.dumps({"name": name, "goal": goal, "unit": "s", **wall, "cpu": cpu}))


def compared(ours: Sequence[float], reference: Sequence[float]) -> dict[str, float | list[float]]:
    """The median of the pairs' ratios with its interval, and the two sides, rounded for reading."""
    ratios = [one / other for one, other in zip(ours, reference, strict=True)]
    rounded = {"interval": interval(ratios), "ours": ours, "reference": reference}
    return {
        "ratio": round(median(ratios), 3),
        **{key: [round(x, 3) for x in xs] for key, xs in rounded.items()},
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """An interval that holds the true median in 95 of 100 cases, whatever the distribution.

    Its ends are two of the values (order statistics; scipy.stats.quantile_test). Fewer than 6 values hold
    no such interval: theirs goes from the smallest to the largest.
    """
    from scipy.stats import quantile_test

    if len(values) < FEWEST:
        return min(values), max(values)
    found = quantile_test(values, p=0.5).confidence_interval(confidence_level=0.95)
    return float(found.low), float(found.high)
