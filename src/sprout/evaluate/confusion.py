"""What the student says against what is true, for `dvc plots`, which warns where the file is missing."""

from collections.abc import Sequence
from pathlib import Path

from sprout.runtime.files import write_rows


def write_confusion(folder: Path, actual: Sequence[str] = (), predicted: Sequence[str] = ()) -> None:
    """Write `confusion.csv`: a row per example, and none where the task has no classes."""
    pairs = [{"actual": a, "predicted": p} for a, p in zip(actual, predicted, strict=True)]
    write_rows(folder / "confusion.csv", ["actual", "predicted"], pairs)
