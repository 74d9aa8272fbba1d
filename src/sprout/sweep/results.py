"""What workers have found, in files, so that nothing of it is lost on the way to the study."""

import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sprout.runtime.files import atomic_write, read_json, write_json


@dataclass(frozen=True)
class Result:
    """What a worker found in a trial that it finished."""

    each: list[list[float]]
    """The value of each objective, for each seed."""

    @property
    def values(self) -> list[float]:
        """Of each objective, the mean over the seeds."""
        return [sum(column) / len(column) for column in zip(*self.each, strict=True)]


def keep_result(folder: Path, number: int, result: Result) -> None:
    """Note what was found in a trial before anyone is told: whoever dies next, it is not lost."""
    with atomic_write(folder / f"{number}.json") as path:
        write_json(path, result.each)


def kept_result(folder: Path, number: int) -> Result | None:
    """What a worker has noted of a trial; None where it did not come so far."""
    path = folder / f"{number}.json"
    return Result(read_json(path)) if path.is_file() else None


def keep_training(folder: Path, build: str, values: list[float]) -> None:
    """Likewise of one training: a trial of several may be killed between them, and settings may be drawn twice."""
    with atomic_write(training_path(folder, build)) as path:
        write_json(path, values)


def kept_training(folder: Path, build: str) -> list[float] | None:
    """The objectives' values of the training of a composed config; None where it has not ended well."""
    path = training_path(folder, build)
    values: list[float] | None = read_json(path) if path.is_file() else None
    return values


def checkpoints_of(folder: Path, build: str) -> Path:
    """Where a training keeps what it would go on from."""
    return training_path(folder, build).with_suffix("")


def discard_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of all trainings, once none of them is to go on; and the locks."""
    for path in (folder / "trainings").glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix == ".lock":
            path.unlink()


def training_path(folder: Path, build: str) -> Path:
    """The file of one training, in the folder of results."""
    path = folder / "trainings" / f"{sha256(build.encode()).hexdigest()[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
