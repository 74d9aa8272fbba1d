"""Parquet files with images in them, for tests."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pictures import encoded
from sprout.config.formats import Paths

CLASSES = ("ant", "bee", "cat")
SPLITS = {"train-00000-of-00002": 90, "train-00001-of-00002": 60, "test-00000-of-00001": 30}
"""File → rows."""
GROUP_ROWS = 20
FORMAT = Paths(
    kind="paths", file="*.parquet", path="image", label="label", missing=None, split=None, folder_splits=True,
    group="person", unlisted="ignored", classes=None,
)  # fmt: skip
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def shard(count: int, seed: int = 0, kind: str = "struct") -> pa.Table:
    """Return rows with images of several kinds; of the seed 0, one is damaged, one empty and two missing."""
    random, images = np.random.default_rng(seed), list[bytes | None]()
    for row in range(count):
        pixels = Image.fromarray(random.integers(0, 256, (9, 8, 3), np.uint8))
        data = encoded(pixels, ("PNG", "JPEG", "WEBP")[row % 3])
        images.append({0: {40: data[:60], 41: b"", 42: None, 85: None}}.get(seed, {}).get(row, data))
    structs = [None if data is None else {"bytes": data, "path": f"{row}.png"} for row, data in enumerate(images)]
    column = pa.array(structs, STRUCT) if kind == "struct" else pa.array(images, getattr(pa, kind)())
    labels = pa.array([None if row == 3 else CLASSES[row % 3] for row in range(count)])
    return pa.table({
        "image": column,
        "label": labels.dictionary_encode() if seed == 1 else labels,
        "person": pa.array([row // 2 for row in range(count)], pa.int32()),
        "caption": pa.array(["x" * 200] * count),
    })  # fmt: skip


def write_shards(folder: Path, kind: str = "struct") -> Path:
    """Write a file for each of SPLITS."""
    folder.mkdir(parents=True)
    for seed, (name, count) in enumerate(SPLITS.items()):
        pq.write_table(shard(count, seed, kind), folder / f"{name}.parquet", row_group_size=GROUP_ROWS)
    return folder
