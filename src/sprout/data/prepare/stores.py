"""The stage's work: decode, check, split, withhold labels, and write the stores and what describes them."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.prepare.classes import UNKNOWN
from sprout.data.prepare.duplicates import write_duplicates, write_near_duplicates
from sprout.data.prepare.examples import Examples, examples_of
from sprout.data.prepare.quarantine import sound_rows, write_quarantine
from sprout.data.prepare.shares import Shares, share_out
from sprout.data.prepare.sheets import write_sheets
from sprout.data.prepare.statistics import FeatureStatistics, PixelStatistics
from sprout.data.prepare.summary import summary
from sprout.data.sources.listing import SPLITS, Array, Listing
from sprout.data.store import StoreWriter, label_table
from sprout.runtime.files import write_json
from sprout.runtime.progress import track


def prepare(
    listing: Listing,
    folder: Path,
    scratch: Path,
    *,
    size: tuple[int, int] | None,
    channels: int | None,
    resize: str,
    max_pixels: int,
    max_faulty: float,
    near_duplicates: bool | None,
    **sharing: Any,
) -> dict[str, Any]:
    """Write the four stores and what describes them; return the summary.

    Args:
        listing: what the source has.
        folder: an empty folder.
        scratch: a folder for what is not kept.
        size: see `settings.prepare.Prepare` for this and all that follow.
        sharing: further keyword arguments of `share_out`.

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
    shares = share_out(listing, sound, decoded.digests if decoded else None, examples.features, **sharing)
    rows, origin = shares.rows, listing.origin

    write_quarantine(folder / "quarantine.csv", faults, origin)
    # Equal rows of a table are no mistake, and nobody looks for them.
    equal = write_duplicates(folder / "duplicates.csv", sound, shares, origin) if decoded else None
    hashes = decoded.hashes if decoded else None
    near = write_near_duplicates(folder / "near_duplicates.csv", examples, hashes, shares, origin)
    statistics = write_stores(folder, examples, shares, origin)
    write_truth(shares.targets.index[rows["unlabelled"]], folder / "truth.parquet")
    write_sheets(folder / "contact_sheets", examples, rows["train"], shares.targets)
    described = summary(examples, shares, listing.features, statistics, len(faults), equal, near)
    write_json(folder / "classes.json", shares.targets.classes)
    write_json(folder / "summary.json", described)
    for note in described["notes"]:
        print(f"prepare: {note}", file=sys.stderr)
    return described


def write_stores(folder: Path, examples: Examples, shares: Shares, origin: pa.Array) -> dict[str, Any]:
    """Write one store per split; return the training split's mean and spread."""
    statistics = (
        PixelStatistics(examples.shape[-1]) if examples.dtype == "uint8" else FeatureStatistics(examples.shape[0])
    )

    ended = Event()

    def write(name: str) -> None:
        with StoreWriter(folder / name, len(shares.rows[name]), examples.shape, examples.dtype) as writer:
            for batch in examples.batches(shares.rows[name]):
                if ended.is_set():
                    return
                writer.append(batch)
                if name == "train":
                    statistics.add(batch)
            writer.close(table(shares, name, origin))

    # Side by side: hashing and writing, which take longest, leave Python's lock.
    with ThreadPoolExecutor(len(SPLITS)) as threads:
        try:
            for _ in track(threads.map(write, SPLITS), "prepare: write", len(SPLITS)):
                pass
        except BaseException:
            ended.set()  # a signal does not wait for the rest
            raise
    return statistics.result()


def table(shares: Shares, name: str, origin: pa.Array) -> pa.Table:
    """The label table of a split; that of the unlabelled pool has no labels."""
    rows, known = shares.rows[name], name != "unlabelled"
    index, value = shares.targets.index[rows], shares.targets.value
    return label_table(
        np.arange(len(rows)),
        pa.array(index, mask=(index == UNKNOWN) | (not known)),
        value=None if value is None or not known else pa.array(value[rows], from_pandas=True),
        source="given",
        group=shares.groups[rows],
        origin=origin.take(pa.array(rows)),
    )


def write_truth(index: Array, path: Path) -> None:
    """The withheld labels of the unlabelled pool, null where there never was one; only `evaluate` reads them."""
    columns = {"row": np.arange(len(index), dtype=np.int64), "label": pa.array(index, mask=index == UNKNOWN)}
    pq.write_table(pa.table(columns), path, compression="zstd")
