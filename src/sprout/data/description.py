"""What `prepare` says about the stores beside it."""

from dataclasses import dataclass
from pathlib import Path

from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json


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


def describe(prepared: Path) -> Description:
    """Read `classes.json` and `summary.json`.

    Raises:
        UserError: nothing has been prepared there.
    """
    if not (prepared / "summary.json").exists():
        raise UserError(f"{prepared}: no prepared data here; `dvc repro` makes it")
    summary = read_json(prepared / "summary.json")
    return Description(
        target=summary["target"],
        classes=read_json(prepared / "classes.json"),
        mean=summary["mean"],
        std=summary["std"],
        features=summary["features"],
        low=summary["min"],
        high=summary["max"],
        folds=summary["folds"],
        levels=summary["levels"],
        page=summary["page"],
    )
