"""In which form files lie: the key `form` of the sources `local` and `url`, whose own key `kind` says which it is."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, Name


def several(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check that there are two classes or more, each once."""
    if len(set(names)) < max(2, len(names)):
        raise ValueError("a class twice, or less than two; name each once")
    return names


Classes = Annotated[tuple[Name, ...], AfterValidator(several)]
"""Names of classes."""


@dataclass(frozen=True, config=STRICT)
class Folders:
    kind: Literal["folders"]
    """One image per file in `<class>/…` or `train|val|test/<class>/…`, with `unlabelled/…` beside; or images alone."""


@dataclass(frozen=True, config=STRICT)
class Paths:
    kind: Literal["paths"]
    """A CSV or Parquet file with one row per image file."""
    file: Name
    """The table."""
    path: Name
    """The column with the image's path, relative to the table's folder."""
    label: Name | None
    """The column with the class; null where there is none."""
    split: Name | None
    """The column that says train, val, test or unlabelled (an empty one is drawn); null where there is none."""
    group: Name | None
    """The column whose equal values stay in one split, such as a person; null where there is none."""
    classes: Classes | None
    """The classes that there are, in the order of their index; null takes those that are found."""


@dataclass(frozen=True, config=STRICT)
class Pixels:
    kind: Literal["pixels"]
    """CSV files of pixels: `label,pixel1..pixelN`, or `emotion,pixels,Usage` as FER2013 has them."""
    train: Name
    """The file; a column `Usage` splits it by itself."""
    test: Name | None
    """The file of the test part; null where there is none."""
    shape: tuple[Count, Count, Count] | None
    """Height, width and channels of an image; null means square and grey."""
    classes: Classes | None
    """Names of the labels 0, 1, …; null means that the labels are their own names."""


@dataclass(frozen=True, config=STRICT)
class Arrays:
    kind: Literal["arrays"]
    """Arrays of numpy: `FILE.npy`, or `FILE.npz:KEY`."""
    train: Name
    """Images (N, H, W) or (N, H, W, C), or features (N, F)."""
    train_labels: Name | None
    """(N,) labels; null where there are none."""
    test: Name | None
    """The same of the test part; null where there is none."""
    test_labels: Name | None
    """The same of the test part; null where there are none."""
    classes: Classes | None
    """Names of the labels 0, 1, …; null means that the labels are their own names."""


@dataclass(frozen=True, config=STRICT)
class Table:
    kind: Literal["table"]
    """A CSV or Parquet file with one row per example and its features in columns."""
    file: Name
    """The table."""
    target: Name | None
    """The column to predict; null where there is none."""
    number: bool
    """Whether the target is a number; else it is a class."""
    columns: tuple[Name, ...] | None
    """The columns with features; null takes all that have no other use."""
    split: Name | None
    """The column that says train, val, test or unlabelled (an empty one is drawn); null where there is none."""
    group: Name | None
    """The column whose equal values stay in one split; null where there is none."""
    classes: Classes | None
    """The classes that there are, in the order of their index; null takes those that are found."""


Form = Annotated[Folders | Paths | Pixels | Arrays | Table, Field(discriminator="kind")]
