"""What a source hands to `prepare`: what there is, before an example is decoded."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]

SPLITS = ("train", "val", "unlabelled", "test")
"""What `Listing.split` may say."""


@dataclass(frozen=True)
class Files:
    """Examples that are image files."""

    root: Path
    """All of them lie under it; a link that leaves it is refused when it is read."""
    paths: list[str]
    """(N,) relative to the root, as the file system spells them."""

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Listing:
    """A data set as it lies there, in the source's order: N examples, none of them decoded."""

    examples: Files | Array
    """Image files; or an array, memory-mapped where it is large: images (N, H, W) or (N, H, W, C), uint8, uint16 or
    float in 0..1; or features (N, F) float32."""
    origin: pa.Array
    """(N,) string: where each example comes from, for a person."""
    label: pa.Array | None = None
    """(N,) string: class names, null only for a fault or where `split` says unlabelled; None: there are no classes."""
    value: pa.Array | None = None
    """(N,) float64: the number to predict; None where the set has none."""
    split: pa.Array | None = None
    """(N,) string: one of `SPLITS`, null where it is to be drawn; None where nothing is given."""
    group: pa.Array | None = None
    """(N,) string: examples of one group stay in one split; null is a group of its own."""
    classes: list[str] | None = None
    """Class names in the order of their index; None: those that are found, in natural order."""
    features: list[str] | None = None
    """(F,) names of the features of a table."""
    faults: dict[int, str] = field(default_factory=dict)
    """What is already known to be wrong: row → reason."""

    def __len__(self) -> int:
        return len(self.examples)
