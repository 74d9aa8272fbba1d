"""The names that splits have in the wild."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.faults import Faults
from sprout.data.sources.class_names import translated
from sprout.data.sources.listing import Array

LEARNED = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
UNLABELLED = {"unlabelled": "unlabelled", "unlabeled": "unlabelled"}
ALL = LEARNED | UNLABELLED


def given_splits(texts: pa.Array) -> tuple[pa.Array, Faults]:
    """What a table's column says: (N,) string → (N,) one of `SPLITS`, null where it is empty or not understood."""
    distinct = texts.unique().drop_null().to_pylist()
    splits, unknown = translated(texts, {text: ALL[text.lower()] for text in distinct if text.lower() in ALL})
    return splits, {row: f"split {text!r} is none of {', '.join(ALL)}" for row, text in unknown.items()}


def without_target(given: pa.Array, splits: pa.Array | None) -> Array:
    """The rows that lack a label or a number and are not said to be unlabelled: (n,) int64."""
    lacks = np.asarray(given.is_null())
    if splits is not None:
        lacks = lacks & ~np.asarray(pc.equal(splits, "unlabelled").fill_null(False))
    return np.flatnonzero(lacks)
