"""The files of the explanations, which the stage `evaluate` writes and the report reads; imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sprout.data.store import Array

FOLDER = "explanations"
"""Inside the folder of the stage `evaluate`."""
EXAMPLES, FILTERS, NEIGHBOURS, MAP, IMPORTANCE = (
    "examples.npz",
    "filters.npz",
    "neighbours.parquet",
    "map.parquet",
    "importance.csv",
)
LABEL_ISSUES = "label_issues.parquet"
"""Beside the folder: a row for each training example whose label may be wrong, the most suspicious first. The
columns are `row` and `origin`, the example; `given` and `suggested`, classes by index; and `score` in 0..1, the
probability of the given class by a model that has not learned from this label."""


@dataclass(frozen=True)
class LayerFilters:
    """Filters of one convolution."""

    layer: str
    """Its name in the network."""
    filters: int
    """How many it has."""
    chosen: Array
    """(n,) int, those shown."""
    images: Array
    """(n, H, W, C) uint8, what each looks for."""


@dataclass(frozen=True)
class ExplainedExamples:
    """Tested examples, with what speaks for their predictions."""

    rows: Array
    """(n,) int, their places in the store."""
    predicted: Array
    """(n,) int, the output that is explained, of a classifier the class."""
    saliency: Array | None
    """(n, H, W) uint8, 255 for the pixels that speak most for it; None where it cannot be told."""


def write_filters(path: Path, layers: Sequence[LayerFilters]) -> None:
    """Write what the filters look for, first to last layer."""
    arrays: dict[str, Array] = {"layers": np.array([one.layer for one in layers])}
    for place, one in enumerate(layers):
        arrays |= {f"images{place}": one.images, f"chosen{place}": one.chosen, f"filters{place}": np.array(one.filters)}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def read_filters(path: Path) -> list[LayerFilters]:
    """What `write_filters` has written."""
    with np.load(path, allow_pickle=False) as arrays:
        return [
            LayerFilters(str(layer), int(arrays[f"filters{i}"]), arrays[f"chosen{i}"], arrays[f"images{i}"])
            for i, layer in enumerate(arrays["layers"])
        ]


def write_examples(path: Path, rows: Array, predicted: Array, saliency: Array | None) -> None:
    """Write what is known of examples: (n,) int rows, (n,) int outputs, (n, H, W) float32 in 0..1."""
    shades = {} if saliency is None else {"saliency": (255 * saliency).round().astype(np.uint8)}
    np.savez_compressed(path, row=rows, predicted=predicted, **shades)  # type: ignore[arg-type]


def read_examples(path: Path) -> ExplainedExamples:
    """What `write_examples` has written."""
    with np.load(path, allow_pickle=False) as arrays:
        saliency = arrays["saliency"] if "saliency" in arrays.files else None
        return ExplainedExamples(arrays["row"], arrays["predicted"], saliency)
