"""Source `generated`: two synthetic data sets for a first lesson, as small CSV files.

The seed changes the order of the rows, not the numbers.
"""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.download import Generated
from sprout.data.listing import Listing

CLASSES = ["none", "side_effects"]
Rows = list[tuple[float | int | str, ...]]


def line() -> Rows:
    """Return 1,000 points (x, y) of y = 2x + 1, evenly spaced on [1, 2]."""
    return [(x, 2 * x + 1) for x in np.linspace(1, 2, 1000).tolist()]


def side_effects() -> Rows:
    """Return a drug trial of 2,100 people: (age, class).

    Half of them are 13 to 64 years old, half 65 to 100, evenly spread over the ages. 95% of the older had side effects,
    95% of the younger had none: 998 of 1,050. The exceptions are evenly spread over the ages.
    """
    young, old = ages(13, 64, 1050), ages(65, 100, 1050)
    return [
        *zip(young, outcomes(1050, usual="none", exception="side_effects"), strict=True),
        *zip(old, outcomes(1050, usual="side_effects", exception="none"), strict=True),
    ]


def ages(first: int, last: int, people: int) -> list[int]:
    """Return the ages of that many people from `first` to `last`, ascending."""
    return [first + person * (last + 1 - first) // people for person in range(people)]


def outcomes(people: int, usual: str, exception: str) -> list[str]:
    """Return an outcome for each person: 95% the usual one, with evenly spaced exceptions."""
    exceptions = people - round(0.95 * people)
    exceptional = {number * people // exceptions for number in range(exceptions)}
    return [exception if person in exceptional else usual for person in range(people)]


SETS: dict[str, tuple[tuple[str, str], Callable[[], Rows]]] = {
    "line": (("x", "y"), line),
    "side_effects": (("age", "side_effects"), side_effects),
}
"""Name → the columns, a feature and the target; and the function that returns the rows."""


def fetch(settings: Generated, folder: Path, _partial: Path) -> None:
    """Write the data set to `NAME.csv`; the same seed gives the same bytes."""
    columns, generate = SETS[settings.name]
    rows = generate()
    order = np.random.default_rng(settings.seed).permutation(len(rows))
    write(folder / f"{settings.name}.csv", columns, (rows[row] for row in order))


def write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[float | int | str, ...]]) -> None:
    """Write a CSV file with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read(settings: Generated, folder: Path, _scratch: Path) -> Listing:
    """Read what `fetch` wrote: one feature, (N, 1) float32, and a value (`line`) or a class (`side_effects`)."""
    name = settings.name
    (feature, _), _ = SETS[name]
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    targets = [target for _, target in rows]
    labelled = name == "side_effects"
    return Listing(
        examples=np.array([[float(x)] for x, _ in rows], np.float32),
        # The header is line 1.
        origin=pa.array([f"{name}.csv:{number}" for number in range(2, len(rows) + 2)], pa.string()),
        label=pa.array(targets, pa.string()) if labelled else None,
        value=None if labelled else pa.array([float(y) for y in targets], pa.float64()),
        classes=CLASSES if labelled else None,
        features=[feature],
    )
