"""Write the store of each split."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sprout.data.listing import SPLITS, Array
from sprout.data.prepare.assignment import Assignment
from sprout.data.prepare.decode_all import Decoded
from sprout.data.prepare.missing import fill
from sprout.data.prepare.parts import batches
from sprout.data.prepare.statistics import FeatureStatistics, PixelStatistics
from sprout.data.prepare.targets import UNKNOWN
from sprout.data.prepare.worker import WrittenShard, write_shard
from sprout.data.shards import SHARD_BYTES, Destination, Shard, rows_per_shard
from sprout.data.store import label_table
from sprout.data.store_writer import StoreWriter, describe_store
from sprout.runtime.engine import Engine
from sprout.runtime.objects import Objects
from sprout.runtime.progress import track

FEW_BYTES = 256 << 20
"""Up to this many bytes of pixels are written by this process: starting others takes as long."""


def write_images(
    folder: Path,
    decoded: Decoded,
    assignment: Assignment,
    origin: pa.Array,
    engine: Engine,
    objects: Objects | None = None,
) -> dict[str, Any]:
    """Write one store of images per split, a task for each file; return the training split's statistics.

    Args:
        folder: where they go.
        decoded: all images.
        assignment: of the images to the splits.
        origin: (N,) where each comes from.
        engine: where much is written.
        objects: where the files of examples go; None for their stores.

    Raises:
        UserError: a part is damaged, a machine of a cluster does not have the folders, or S3 does not take a file.
    """
    parts, digests = decoded.parts, decoded.digests
    targets = {name: Destination(folder.absolute() / name, objects) for name in assignment.rows}
    step = rows_per_shard(parts.shape, "uint8", SHARD_BYTES)
    files = [(name, start) for name, rows in assignment.rows.items() for start in range(0, max(1, len(rows)), step)]
    for target in targets.values():
        target.folder.mkdir()

    def tasks() -> Iterator[partial[WrittenShard]]:
        for name, start in files:
            rows = assignment.rows[name][start : start + step]
            yield partial(
                write_shard,
                parts.holding(rows),
                targets[name],
                start // step,
                rows,
                digests[rows],
                counted=name == "train",
            )

    few = sum(map(len, assignment.rows.values())) * int(np.prod(parts.shape)) <= FEW_BYTES
    shards: dict[str, list[Shard]] = {name: [] for name in assignment.rows}
    statistics = PixelStatistics(parts.shape[-1])
    with closing((task() for task in tasks()) if few else engine.run_in_order(tasks())) as written:
        for (name, start), file in zip(files, track(written, "prepare: write", len(files)), strict=True):
            targets[name].check_written(start // step, file.shard)
            shards[name].append(file.shard)
            if file.statistics is not None:
                statistics.merge(file.statistics)
    for name, target in targets.items():
        for left in target.folder.glob("*.tmp-*"):  # of tasks whose machine was lost
            left.unlink()
        describe_store(target, parts.shape, "uint8", shards[name], labels_of_split(assignment, name, origin))
    return statistics.result()


def write_rows_of_table(
    folder: Path,
    features: Array,
    assignment: Assignment,
    origin: pa.Array,
    medians: dict[int, float],
    objects: Objects | None = None,
) -> dict[str, Any]:
    """Write one store of rows of a table per split; return the training split's statistics.

    Args:
        folder: where they go.
        features: (N, F) float32 of all rows.
        assignment: of the rows to the splits.
        origin: (N,) where each comes from.
        medians: of the features whose NaN are filled.
        objects: where the files of examples go; None for their stores.

    Raises:
        UserError: S3 does not take a file.
    """
    statistics, shape = FeatureStatistics(features.shape[1]), features.shape[1:]
    for name in track(SPLITS, "prepare: write", len(SPLITS)):
        rows = assignment.rows[name]
        with StoreWriter(folder / name, len(rows), shape, "float32", objects=objects) as writer:
            for some in batches(rows, features[:1].nbytes):
                batch = fill(features[rows[some]], medians)
                writer.append(batch)
                if name == "train":
                    statistics.add(batch)
            writer.close(labels_of_split(assignment, name, origin))
    return statistics.result()


def labels_of_split(assignment: Assignment, name: str, origin: pa.Array) -> pa.Table:
    """Return the label table of a split; that of the unlabelled pool has no labels."""
    rows, labelled, targets = assignment.rows[name], name != "unlabelled", assignment.targets
    index, value = targets.index[rows], targets.value
    return label_table(
        np.arange(len(rows)),
        pa.array(index, mask=(index == UNKNOWN) | (not labelled)),
        value=None if value is None or not labelled else pa.array(value[rows], from_pandas=True),
        source="given",
        group=assignment.groups[rows],
        origin=origin.take(pa.array(rows)),
        fold=assignment.folds if name == "train" else None,
    )
