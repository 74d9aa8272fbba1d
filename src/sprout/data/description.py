"""What `prepare` says about the stores beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprout.runtime.checksums import REMEDY, check_sums, write_sums
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import read_json, write_json

CLASSES, SUMMARY = "classes.json", "summary.json"


@dataclass(frozen=True)
class Column:
    """A column of a table, as it becomes features."""

    name: str
    values: list[str] | None = None
    """The values of a category, each of which is a feature; None for numbers and booleans."""
    empty: bool = False
    """Whether an entry may be empty; a further feature is 1 there."""
    median: float | None = None
    """What stands in place of an empty entry; of numbers alone."""
    decimal: str | None = None
    """The decimal mark of numbers with signs or separators; None for plain ones."""

    @property
    def features(self) -> int:
        """How many features it becomes."""
        return (1 if self.values is None else len(self.values)) + self.empty


def columns_from(values: Sequence[Mapping[str, Any]] | None) -> list[Column] | None:
    """The columns that `asdict` has written; None for None."""
    return None if values is None else [Column(**each) for each in values]


@dataclass(frozen=True)
class Description:
    """Names, shapes and statistics that every later stage shares."""

    target: str | None
    """What is to be learned: class or number; None where the examples carry neither."""
    classes: list[str]
    """Class names, by index; none where there are no classes."""
    mean: list[float]
    std: list[float]
    """Of the training split: per channel, pixels scaled to 0..1, or per feature of a table, as it is."""
    features: list[str] | None
    """Their names; None for images."""
    low: list[float] | None
    high: list[float] | None
    """The range of each feature; None for images, whose pixels lie in 0..1."""
    folds: int | None = None
    """How many folds of cross-validation the labels are in; None where there is a validation split."""
    levels: list[float] | None = None
    """What became black and white in images of more than 8 bits; None means the whole range."""
    page: int = 0
    """Which page of a TIFF or frame of an animation was taken."""
    columns: list[Column] | None = None
    """How the columns of a table have become features; None where the source has features, or images."""


def write_description(prepared: Path, classes: list[str], summary: dict[str, Any]) -> None:
    """Write `classes.json` and `summary.json`, and their checksums."""
    write_json(prepared / CLASSES, classes)
    write_json(prepared / SUMMARY, summary)
    write_sums(prepared, [CLASSES, SUMMARY])


def describe(prepared: Path) -> Description:
    """Read `classes.json` and `summary.json`.

    Raises:
        UserError: nothing has been prepared there, or one of the files is damaged.
    """
    summary = read_summary(prepared)
    try:
        return Description(
            target=summary["target"],
            classes=read_json(prepared / CLASSES),
            mean=summary["mean"],
            std=summary["std"],
            features=summary["features"],
            columns=columns_from(summary["columns"]),
            low=summary["min"],
            high=summary["max"],
            folds=summary["folds"],
            levels=summary["levels"],
            page=summary["page"],
        )
    except KeyError as error:
        raise UserError(f"{prepared / SUMMARY}: has no {one_line(error)}; {REMEDY}") from None


def read_summary(prepared: Path) -> dict[str, Any]:
    """Read `summary.json`; it and `classes.json` are as they were written.

    Raises:
        UserError: nothing has been prepared there, or one of the files is damaged.
    """
    if not all((prepared / name).exists() for name in (CLASSES, SUMMARY)):
        raise UserError(f"{prepared}: no prepared data here; `dvc repro` makes it")
    check_sums(prepared, [CLASSES, SUMMARY], REMEDY)
    summary: dict[str, Any] = read_json(prepared / SUMMARY)
    return summary
