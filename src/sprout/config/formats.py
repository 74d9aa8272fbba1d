"""File formats: the key `format` of the sources `local` and `url`, whose key `kind` selects one of these classes."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, Name


def check_classes(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check that there are at least two classes, each once."""
    if len(set(names)) < max(2, len(names)):
        raise ValueError("should have at least two classes, each named once")
    return names


Classes = Annotated[tuple[Name, ...], AfterValidator(check_classes)]
"""Class names."""


@dataclass(frozen=True, config=STRICT)
class Folders:
    kind: Literal["folders"]
    """One image per file: in `<class>/…` or `train|val|test/<class>/…`, optionally `unlabelled/…`; or no folders."""


@dataclass(frozen=True, config=STRICT)
class Paths:
    kind: Literal["paths"]
    """A table with one row per image: CSV, Parquet, JSON lines, or the tar archives of a WebDataset."""
    file: Name | tuple[Name, ...]
    """The table; `*` stands for any name, such as `*/metadata.csv` for a table in each folder, or `data/*.parquet`. Or
    several, such as `[train.csv, test.csv]`, whose names are the splits of their rows."""
    path: Name
    """The column with the image's path, relative to the table's folder; or with a name, with or without its suffix,
    that only one image has; or with the bytes of the image's file (Parquet, WebDataset)."""
    label: Name | tuple[Name, ...] | None
    """The column with the class, or one column for each class, which has 1 where it is the image's and 0 elsewhere;
    null if there is none."""
    missing: Name | None
    """What stands for a missing label beside an empty entry, NaN, NA and null, such as -1; null if nothing does."""
    split: Name | None
    """The column with train, val, test or unlabelled; rows without an entry are drawn. null if there is none."""
    folder_splits: bool
    """Whether an image without an entry there is in the split that a folder of its path names, such as test/1.png; or
    the name of the table that holds it, such as train-00000-of-00002.parquet, or of one of several that name it."""
    group: Name | None
    """The column whose equal values stay in one split, such as a person; null if there is none."""
    unlisted: Literal["ignored", "unlabelled"]
    """What the images are that no row names."""
    classes: Classes | None
    """Class names in the order of their index; null takes the classes in the data."""


@dataclass(frozen=True, config=STRICT)
class Pixels:
    kind: Literal["pixels"]
    """CSV files of pixels: `label,pixel1..pixelN`, or `emotion,pixels,Usage` as in FER2013."""
    train: Name
    """The file; its column `Usage`, if present, contains the splits."""
    test: Name | None
    """The file of the test split; null if there is none."""
    shape: tuple[Count, Count, Count] | None
    """Height, width and channels of an image; null means square and grey."""
    classes: Classes | None
    """Names of the labels 0, 1, …; null takes the labels themselves as names."""


@dataclass(frozen=True, config=STRICT)
class Arrays:
    kind: Literal["arrays"]
    """Arrays: `FILE.npy`, `FILE.npz:KEY`, `FILE.mat:KEY`, or a file in MNIST's format idx, also compressed by gzip."""
    train: Name
    """Images (N, H, W), (N, H, W, C) or (N, C, H, W), or features (N, F)."""
    train_labels: Name | None
    """(N,) or (N, 1) labels or numbers, or one-hot (N, K); NaN is an unlabelled example. null if there are none."""
    val: Name | None
    """The examples of the validation split; null if there are none."""
    val_labels: Name | None
    """Their labels."""
    test: Name | None
    """The examples of the test split; null if there are none."""
    test_labels: Name | None
    """Their labels."""
    unlabelled: Name | None
    """Examples without labels, beside those with some; null if there are none."""
    number: bool
    """Whether the labels are numbers to learn; otherwise they are classes."""
    missing: Name | None
    """What stands for a missing label beside NaN and empty text, such as -1; null if nothing does."""
    classes: Classes | None
    """Names of the labels 0, 1, …; null takes the labels themselves as names."""


@dataclass(frozen=True, config=STRICT)
class Table:
    kind: Literal["table"]
    """A CSV or Parquet file with one row per example and its features in columns."""
    file: Name
    """The table."""
    target: Name | None
    """The column to predict; null if there is none."""
    number: bool
    """Whether the target is a number; otherwise it is a class."""
    missing: Name | None
    """What stands for a missing target beside an empty entry, NaN, NA and null, such as -1; null if nothing does."""
    columns: tuple[Name, ...] | None
    """The columns with features; null takes all that no other key names."""
    empty: Literal["median", "faulty"]
    """What becomes of an empty entry of a feature: median takes that of the training split, and one more feature says
    where it did; an empty category has none of its values. With faulty, the row is left out."""
    split: Name | None
    """The column with train, val, test or unlabelled; rows without an entry are drawn. null if there is none."""
    group: Name | None
    """The column whose equal values stay in one split; null if there is none."""
    classes: Classes | None
    """Class names in the order of their index; null takes the classes in the data."""


def check_pattern(pattern: str) -> str:
    """Check that a pattern says where the label is, and has no other fields than those that are known."""
    fields = re.findall(r"\{(.*?)\}", pattern)
    if "label" not in fields or set(fields) - {"label", "split", "group"} or len(set(fields)) < len(fields):
        raise ValueError("should have {label} once, and beside it {split}, {group} and * at most")
    return pattern


@dataclass(frozen=True, config=STRICT)
class Names:
    kind: Literal["names"]
    """One image per file, whose name tells its class."""
    pattern: Annotated[Name, AfterValidator(check_pattern)]
    """The end of an image's path, such as `{label}_*.jpg`, from the beginning of a folder's or the file's name on.
    `{label}`, `{split}` and `{group}` stand for any text without `/`, as much as possible from the left; `*` for any
    text or none. Images that do not match are unlabelled. Without `{split}`, folders tell the splits."""
    classes: Classes | None
    """Class names in the order of their index; null takes the classes in the data."""


AnyFormat = Folders | Paths | Names | Pixels | Arrays | Table
Format = Annotated[AnyFormat, Field(discriminator="kind")]
FORMATS: dict[str, type[AnyFormat]] = {get_args(kind.__annotations__["kind"])[0]: kind for kind in get_args(AnyFormat)}
"""Kind → its class."""
