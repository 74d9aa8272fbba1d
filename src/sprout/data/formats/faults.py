"""What is wrong with single examples: row → reason."""

from collections.abc import Iterable

Faults = dict[int, str]


def add(faults: Faults, more: Faults, start: int = 0) -> None:
    """Add faults of rows that are counted from `start` on; the reasons of one row stand side by side."""
    for row, reason in more.items():
        faults[row + start] = f"{faults[row + start]}; {reason}" if row + start in faults else reason


def merged(*several: Faults) -> Faults:
    """All of these faults."""
    together: Faults = {}
    for faults in several:
        add(together, faults)
    return together


def all_of(rows: Iterable[int], reason: str) -> Faults:
    """The same reason for each of these rows."""
    return {int(row): reason for row in rows}
