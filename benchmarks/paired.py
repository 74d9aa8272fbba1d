"""Two programs run in turn, A B A B …, and the ratio of the time that they took."""

import argparse
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

FEWEST = 6  # pairs for an interval of 95%: that of five holds the median in 94 of 100 cases


@dataclass(frozen=True)
class Cost:
    """What one run of a command took: seconds on the clock, and seconds of all its processes on a CPU."""

    wall: float
    cpu: float


def parser(name: str, about: str | None, pairs: int | None) -> argparse.ArgumentParser:
    """The command line that every benchmark has; None where there are no pairs."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if pairs is not None:
        made.add_argument("--pairs", type=positive, default=pairs, help="runs of each side (default: %(default)s)")
    return made


def positive(text: str) -> int:
    """A count of at least one.

    Raises:
        ValueError: it is none; `argparse` then says so.
    """
    if int(text) < 1:
        raise ValueError
    return int(text)


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


def timed(run: Callable[[], object]) -> Cost:
    """What a call takes; on the CPU, all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def in_turn(ours: Callable[[], Cost], reference: Callable[[], Cost], pairs: int) -> tuple[list[Cost], list[Cost]]:
    """Run the two `pairs` times, one after the other, so that a busy machine slows both."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for pair in range(1, pairs + 1):
        for side, run in zip(costs, (ours, reference), strict=True):
            side.append(run())
        walls = " ÷ ".join(f"{side[-1].wall:.2f} s" for side in costs)
        print(f"pair {pair} of {pairs}: {walls}", file=sys.stderr)
    return costs


def print_figure(name: str, goal: float, ours: Sequence[Cost], reference: Sequence[Cost]) -> None:
    """Print the figure as one JSON line: the ratio of wall times; that of CPU times lies under `cpu`."""
    if len(ours) < FEWEST:
        print(f"fewer than {FEWEST} pairs: the interval is the range of the ratios, not 95%", file=sys.stderr)
    figure = {
        "name": name,
        **compared([one.wall for one in ours], [one.wall for one in reference]),
        "goal": goal,
        "unit": "s",
        "cpu": compared([one.cpu for one in ours], [one.cpu for one in reference]),
    }
    print(json.dumps(figure), flush=True)


def print_value(
    name: str, goal: float, values: Sequence[float], *, unit: str, digits: int = 3, **sides: Sequence[float]
) -> None:
    """Print a figure that is no ratio of times as one JSON line, with the same keys; no CPU time belongs to it.

    Args:
        name: of the benchmark.
        goal: what the figure is held against.
        values: it, measured once or several times; the median stands under `ratio`.
        unit: of all numbers; empty for a bare number.
        digits: significant ones that are kept.
        sides: what `values` were made of, such as `ours` and `reference`.
    """
    shown = {key: [float(f"{value:.{digits}g}") for value in side] for key, side in sides.items()}
    low, middle, high = (float(f"{value:.{digits}g}") for value in (min(values), median(values), max(values)))
    figure = {"name": name, "ratio": middle, "interval": [low, high], **shown, "goal": goal, "unit": unit}
    print(json.dumps(figure), flush=True)


def compared(ours: Sequence[float], reference: Sequence[float]) -> dict[str, float | list[float]]:
    """The median of the pairs' ratios and its interval, with the values of both sides; three decimals."""
    ratios = [one / other for one, other in zip(ours, reference, strict=True)]
    return {
        "ratio": round(median(ratios), 3),
        "interval": rounded(interval(ratios)),
        "ours": rounded(ours),
        "reference": rounded(reference),
    }


def rounded(values: Sequence[float]) -> list[float]:
    """Three decimals."""
    return [round(value, 3) for value in values]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """A 95% confidence interval of the median, whatever the distribution.

    Its ends are two of the values (order statistics; scipy.stats.quantile_test). Fewer than 6 values have
    no such interval; theirs goes from the smallest to the largest.
    """
    from scipy.stats import quantile_test

    if len(values) < FEWEST:
        return min(values), max(values)
    found = quantile_test(values, p=0.5).confidence_interval(confidence_level=0.95)
    return float(found.low), float(found.high)
