"""Data that is made, not fetched: two classics of a first lesson, as small CSV files.

The numbers are the same whatever the seed; it says in which order they stand.
"""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.sources.listing import Listing

CLASSES = ["none", "side_effects"]
Rows = list[tuple[float | int | str, ...]]


def line() -> Rows:
    """1,000 points of y = 2x + 1, evenly on [1, 2]: (x, y)."""
    return [(x, 2 * x + 1) for x in np.linspace(1, 2, 1000).tolist()]


def side_effects() -> Rows:
    """The trial of a drug on 2,100 people: (age, class).

    Half of them are 13 to 64 years old, half 65 to 100, each age as often as the next (but for one person).
    Of the older, 95% had side effects, of the younger 95% had none: 998 of 1,050, the nearest whole number.
    Who is the exception is spread over the ages.
    """
    young, old = ages(13, 64, 1050), ages(65, 100, 1050)
    return [
        *zip(young, outcomes(1050, usual="none", exception="side_effects"), strict=True),
        *zip(old, outcomes(1050, usual="side_effects", exception="none"), strict=True),
    ]


def ages(first: int, last: int, people: int) -> list[int]:
    """Ages from the first to the last, in rising order."""
    return [first + person * (last + 1 - first) // people for person in range(people)]


def outcomes(people: int, usual: str, exception: str) -> list[str]:
    """95% of the people have the usual outcome; the exceptions stand at even distances."""
    exceptions = people - round(0.95 * people)
    exceptional = {number * people // exceptions for number in range(exceptions)}
    return [exception if person in exceptional else usual for person in range(people)]


SETS: dict[str, tuple[tuple[str, str], Callable[[], Rows]]] = {
    "line": (("x", "y"), line),
    "side_effects": (("age", "side_effects"), side_effects),
}
"""Name → (the columns: a feature and the target, what makes the rows)."""


def fetch(folder: Path, *, name: str, seed: int) -> None:
    """Write the set to `NAME.csv`; the same seed gives the same bytes.

    Args:
        folder: an existing folder.
        name: one of `SETS`.
        seed: of the order of the rows.
    """
    columns, make = SETS[name]
    rows = make()
    order = np.random.default_rng(seed).permutation(len(rows))
    write(folder / f"{name}.csv", columns, (rows[row] for row in order))


def write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[float | int | str, ...]]) -> None:
    """Write a CSV file with a head."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read(folder: Path, *, name: str) -> Listing:
    """Read what `fetch` wrote: one feature, (N, 1) float32, and a value (`line`) or a class (`side_effects`)."""
    (feature, _), _ = SETS[name]
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    targets = [target for _, target in rows]
    labelled = name == "side_effects"
    return Listing(
        examples=np.array([[float(x)] for x, _ in rows], np.float32),
        # The head is the file's first line.
        origin=pa.array([f"{name}.csv:{number}" for number in range(2, len(rows) + 2)], pa.string()),
        label=pa.array(targets, pa.string()) if labelled else None,
        value=None if labelled else pa.array([float(y) for y in targets], pa.float64()),
        classes=CLASSES if labelled else None,
        features=[feature],
    )
