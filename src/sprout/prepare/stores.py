"""The stage's work: decode, check, split, withhold labels, and write the stores and what describes them."""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sprout.core.progress import track
from sprout.core.records import write_json
from sprout.core.store import StoreWriter, label_table
from sprout.prepare.classes import UNKNOWN, Targets, targets
from sprout.prepare.duplicates import write_duplicates, write_near_duplicates
from sprout.prepare.examples import Examples, examples_of
from sprout.prepare.groups import equal_pictures, given_groups, joined
from sprout.prepare.quarantine import sound_rows, write_quarantine
from sprout.prepare.shared import settle, shared_pictures
from sprout.prepare.sheets import write_sheets
from sprout.prepare.splits import DRAWN, split, strata_of
from sprout.prepare.statistics import FeatureStatistics, PixelStatistics
from sprout.prepare.summary import summary
from sprout.sources.listing import SPLITS, Array, Listing


def prepare(
    listing: Listing,
    folder: Path,
    scratch: Path,
    *,
    strata: Mapping[str, Sequence[float]],
    size: tuple[int, int] | None,
    channels: int | None,
    resize: str,
    max_pixels: int,
    max_faulty: float,
    duplicates: str,
    near_duplicates: bool | None,
    **amounts: Any,
) -> dict[str, Any]:
    """Write the four stores and what describes them; return the summary.

    Args:
        listing: what the source has.
        folder: an empty folder.
        scratch: a folder for what is not kept.
        strata: see `settings.prepare.Prepare` for this and all that follow.
        amounts: further keyword arguments of `split`.

    Raises:
        UserError: too many examples are faulty, or there are too few for these settings.
    """
    examples, decoded = examples_of(
        listing,
        scratch / "examples",
        size=size,
        channels=channels,
        resize=resize,
        max_pixels=max_pixels,
        near_duplicates=near_duplicates,
    )
    # What the listing says comes first: it has not even given a path for some.
    faults = (decoded.faults if decoded else {}) | listing.faults
    sound = sound_rows(faults, listing.origin, max_faulty)
    learned, given = targets(listing, sound), given_splits(listing.split, len(listing))
    pictures = equal_pictures(decoded.digests, sound) if decoded else np.arange(len(listing))
    shared = shared_pictures(sound, given, pictures)
    used = settle(shared, sound, given, listing.origin, duplicates)
    groups = joined(given_groups(listing.group, len(listing)), pictures)
    bins = strata_of(learned, examples.features, listing.features, strata)
    rows = split(used, given, learned, bins, groups, **amounts)

    write_quarantine(folder / "quarantine.csv", faults, listing.origin)
    equal = write_duplicates(folder / "duplicates.csv", sound, pictures, rows, listing.origin)
    hashes = decoded.hashes if decoded else None
    near = write_near_duplicates(folder / "near_duplicates.csv", examples, hashes, rows, pictures, listing.origin)
    statistics = write_stores(folder, examples, rows, learned, groups, listing.origin)
    write_truth(learned.index[rows["unlabelled"]], folder / "truth.parquet")
    write_sheets(folder / "contact_sheets", examples, rows["train"], learned)
    described = summary(
        examples, rows, learned, listing.features, statistics, len(faults), equal, len(sound) - len(used), near
    )
    write_json(folder / "classes.json", learned.classes)
    write_json(folder / "summary.json", described)
    for note in described["notes"]:
        print(f"prepare: {note}", file=sys.stderr)
    return described


def given_splits(split_names: pa.Array | None, count: int) -> Array:
    """The source's own split of each example, its place in `SPLITS`, or `DRAWN`: (N,) int8."""
    if split_names is None:
        return np.full(count, DRAWN, np.int8)
    found = pc.index_in(split_names, pa.array(SPLITS, pa.string())).fill_null(DRAWN)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int8)


def write_stores(
    folder: Path, examples: Examples, rows: dict[str, Array], learned: Targets, groups: Array, origin: pa.Array
) -> dict[str, Any]:
    """Write one store per split; return the training split's mean and spread."""
    statistics = (
        PixelStatistics(examples.shape[-1]) if examples.dtype == "uint8" else FeatureStatistics(examples.shape[0])
    )

    def write(name: str) -> None:
        writer = StoreWriter(folder / name, len(rows[name]), examples.shape, examples.dtype)
        for batch in examples.batches(rows[name]):
            writer.append(batch)
            if name == "train":
                statistics.add(batch)
        writer.close(table(rows[name], learned, groups, origin, known=name != "unlabelled"))

    # Side by side: hashing and writing, which take longest, leave Python's lock.
    with ThreadPoolExecutor(len(SPLITS)) as threads:
        for _ in track(threads.map(write, SPLITS), "prepare: write", len(SPLITS)):
            pass
    return statistics.result()


def table(rows: Array, learned: Targets, groups: Array, origin: pa.Array, *, known: bool) -> pa.Table:
    """The label table of a split; labels that are not `known` are left out of it."""
    index = learned.index[rows]
    return label_table(
        np.arange(len(rows)),
        pa.array(index, mask=(index == UNKNOWN) | (not known)),
        value=None if learned.value is None or not known else pa.array(learned.value[rows], from_pandas=True),
        source="given",
        group=groups[rows],
        origin=origin.take(pa.array(rows)),
    )


def write_truth(index: Array, path: Path) -> None:
    """The withheld labels of the unlabelled pool, null where there never was one; only `evaluate` reads them."""
    columns = {"row": np.arange(len(index), dtype=np.int64), "label": pa.array(index, mask=index == UNKNOWN)}
    pq.write_table(pa.table(columns), path, compression="zstd")
