"""Runs two programs alternately, A B A B …, and compares the time that they take."""

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

MIN_PAIRS = 6  # for a 95% interval; with five pairs its coverage is 94%


@dataclass(frozen=True)
class Cost:
    """Wall time, and CPU time of all processes, of one run in seconds."""

    wall: float
    cpu: float


def parser(name: str, about: str | None, pairs: int | None) -> argparse.ArgumentParser:
    """Return the argument parser that all benchmarks share; `pairs` is None for those without pairs."""
    command_line = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if pairs is not None:
        command_line.add_argument(
            "--pairs", type=positive, default=pairs, help="runs of each side (default: %(default)s)"
        )
    return command_line


def positive(text: str) -> int:
    """Parse a count of at least one.

    Raises:
        ValueError: it is not a positive integer; `argparse` reports it.
    """
    if int(text) < 1:
        raise ValueError
    return int(text)


def cost(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command and return its cost, including the processes that it started and waited for.

    Raises:
        RuntimeError: it failed; the message has its output.
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
    """Return the cost of a call; the CPU time is that of all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def alternate(ours: Callable[[], Cost], reference: Callable[[], Cost], pairs: int) -> tuple[list[Cost], list[Cost]]:
    """Run the two alternately, `pairs` times each, so that a busy machine slows both."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for pair in range(1, pairs + 1):
        for side, run in zip(costs, (ours, reference), strict=True):
            side.append(run())
        walls = " ÷ ".join(f"{side[-1].wall:.2f} s" for side in costs)
        print(f"pair {pair} of {pairs}: {walls}", file=sys.stderr)
    return costs


def print_ratio(name: str, goal: float, ours: Sequence[Cost], reference: Sequence[Cost]) -> None:
    """Print the ratio of wall times as one JSON line; the ratio of CPU times is under `cpu`."""
    if len(ours) < MIN_PAIRS:
        print(
            f"fewer than {MIN_PAIRS} pairs: the interval is the range of the ratios, not a 95% interval",
            file=sys.stderr,
        )
    result = {
        "name": name,
        **compare([one.wall for one in ours], [one.wall for one in reference]),
        "goal": goal,
        "unit": "s",
        "cpu": compare([one.cpu for one in ours], [one.cpu for one in reference]),
    }
    print(json.dumps(result), flush=True)


def print_value(
    name: str, goal: float, values: Sequence[float], *, unit: str, digits: int = 3, **sides: Sequence[float]
) -> None:
    """Print a result that is not a ratio of times as one JSON line, with the same keys except `cpu`.

    Args:
        name: of the benchmark.
        goal: the largest accepted value.
        values: one or more measurements; their median is the `ratio`.
        unit: of all numbers; empty if they have none.
        digits: number of significant digits.
        sides: the numbers that `values` were computed from, such as `ours` and `reference`.
    """
    shown = {key: [float(f"{value:.{digits}g}") for value in side] for key, side in sides.items()}
    low, middle, high = (float(f"{value:.{digits}g}") for value in (min(values), median(values), max(values)))
    result = {"name": name, "ratio": middle, "interval": [low, high], **shown, "goal": goal, "unit": unit}
    print(json.dumps(result), flush=True)


def compare(ours: Sequence[float], reference: Sequence[float]) -> dict[str, float | list[float]]:
    """Return the median of the pairs' ratios, its interval and the values of both sides, with three decimals."""
    ratios = [one / other for one, other in zip(ours, reference, strict=True)]
    return {
        "ratio": round(median(ratios), 3),
        "interval": rounded(interval(ratios)),
        "ours": rounded(ours),
        "reference": rounded(reference),
    }


def rounded(values: Sequence[float]) -> list[float]:
    """Round to three decimals."""
    return [round(value, 3) for value in values]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return a distribution-free 95% confidence interval of the median.

    Its ends are order statistics (scipy.stats.quantile_test). Fewer than 6 values have no such interval; their range
    is returned.
    """
    from scipy.stats import quantile_test

    if len(values) < MIN_PAIRS:
        return min(values), max(values)
    ends = quantile_test(values, p=0.5).confidence_interval(confidence_level=0.95)
    return float(ends.low), float(ends.high)
