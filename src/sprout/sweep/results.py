"""Results of trials and trainings as files, written by workers so that no crash loses them on the way to the study."""

import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sprout.runtime.files import atomic_write, read_json, write_json


@dataclass(frozen=True)
class Result:
    """The values of a finished trial."""

    each: list[list[float]]
    """One row per seed, one value per objective."""

    @property
    def values(self) -> list[float]:
        """The mean over the seeds, for each objective."""
        return [sum(column) / len(column) for column in zip(*self.each, strict=True)]


def keep_result(folder: Path, number: int, result: Result) -> None:
    """Write the result of a trial."""
    with atomic_write(folder / f"{number}.json") as path:
        write_json(path, result.each)


def kept_result(folder: Path, number: int) -> Result | None:
    """Read the result of a trial; None if it has not finished."""
    path = folder / f"{number}.json"
    return Result(read_json(path)) if path.is_file() else None


def keep_training(folder: Path, build: str, values: list[float]) -> None:
    """Write the objectives' values of one training.

    A trial with several seeds may be killed between them, and two trials may have the same settings.
    """
    with atomic_write(training_path(folder, build)) as path:
        write_json(path, values)


def kept_training(folder: Path, build: str) -> list[float] | None:
    """Read the objectives' values of the training of a composed config; None if it has not finished."""
    path = training_path(folder, build)
    values: list[float] | None = read_json(path) if path.is_file() else None
    return values


def copy_result(before: Path, old: int, folder: Path, new: int) -> None:
    """Copy the result of a trial to another folder of results, where it has another number.

    Of a study that a server keeps, the results of trials may lie on another machine.
    """
    if (before / f"{old}.json").is_file():
        shutil.copy2(before / f"{old}.json", folder / f"{new}.json")


def copy_trainings(before: Path, folder: Path) -> None:
    """Copy the objectives' values of all trainings to another folder of results."""
    for path in (before / "trainings").glob("*.json"):
        (folder / "trainings").mkdir(exist_ok=True)
        shutil.copy2(path, folder / "trainings")


def checkpoints_of(folder: Path, build: str) -> Path:
    """Return the folder for the checkpoints of a training."""
    return training_path(folder, build).with_suffix("")


def discard_checkpoints(folder: Path) -> None:
    """Remove the checkpoints and locks of all trainings, once no trial will resume."""
    for path in (folder / "trainings").glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix == ".lock":
            path.unlink()


def training_path(folder: Path, build: str) -> Path:
    """Return the file of one training in the folder of results."""
    path = folder / "trainings" / f"{sha256(build.encode()).hexdigest()[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
