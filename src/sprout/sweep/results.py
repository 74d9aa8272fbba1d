"""What workers have found: a file for each finished trial, so that nothing of it is lost on the way to the study."""

from dataclasses import dataclass
from pathlib import Path

from sprout.core.atomic import whole_file
from sprout.core.records import read_json, write_json


@dataclass(frozen=True)
class Result:
    """What a worker found in a trial that it finished."""

    values: list[float]
    """Of each objective, the mean over the seeds."""
    each: list[list[float]]
    """The same of each seed."""
    seconds: float
    """What the trainings took."""
    epochs: int
    """Of all its trainings."""


def keep_result(folder: Path, number: int, result: Result) -> None:
    """Note what was found before anyone is told: whoever dies next, it is not lost."""
    with whole_file(result_path(folder, number)) as path:
        write_json(path, vars(result))


def kept_result(folder: Path, number: int) -> Result | None:
    """What a worker has noted of a trial; None where it did not come so far."""
    path = result_path(folder, number)
    return Result(**read_json(path)) if path.is_file() else None


def result_path(folder: Path, number: int) -> Path:
    """The file of one trial, in the folder of results."""
    return folder / f"{number}.json"
