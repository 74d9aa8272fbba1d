"""What `prepare` says about the stores beside it."""

from dataclasses import dataclass
from pathlib import Path

from sprout.core.errors import UserError
from sprout.core.records import read_json


@dataclass(frozen=True)
class Description:
    """Names and figures that every later stage shares."""

    classes: list[str]
    """Class names, by index."""
    mean: list[float]
    std: list[float]
    """Per channel, of the training split, pixels scaled to 0..1."""


def describe(prepared: Path) -> Description:
    """Read `classes.json` and `summary.json`.

    Raises:
        UserError: nothing has been prepared there.
    """
    if not (prepared / "summary.json").exists():
        raise UserError(f"{prepared}: no prepared data here; `dvc repro` makes it")
    summary = read_json(prepared / "summary.json")
    return Description(read_json(prepared / "classes.json"), summary["mean"], summary["std"])
