"""The stage `prepare`: decode, check, split, withhold labels, write the stores and what describes them."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.config.prepare import Prepare
from sprout.data.contact_sheet import write_sheet
from sprout.data.description import write_description
from sprout.data.listing import SPLITS, Array, Listing
from sprout.data.prepare.answered import NONE_OF_THEM, find_said
from sprout.data.prepare.answers import Answer, decoded_as
from sprout.data.prepare.assignment import Assignment, assign_splits
from sprout.data.prepare.csv_lists import usable_rows, write_duplicates, write_near_duplicates, write_quarantine
from sprout.data.prepare.examples import Examples, load_examples
from sprout.data.prepare.missing import described, fill, medians_of, note_filled
from sprout.data.prepare.small_classes import without_small_classes
from sprout.data.prepare.summary import FeatureStatistics, PixelStatistics, summarize
from sprout.data.prepare.targets import UNKNOWN, Targets
from sprout.data.store import StoreWriter, label_table
from sprout.runtime.progress import track

SHEET_IMAGES = 64
SHEET_COLUMNS = 8


def prepare(
    listing: Listing, folder: Path, scratch: Path, settings: Prepare, answers: Sequence[Answer] = ()
) -> dict[str, Any]:
    """Write the four stores and what describes them.

    Args:
        listing: the examples of a source.
        folder: an empty folder.
        scratch: a folder for temporary files.
        settings: the section `prepare`.
        answers: people's, in the order of their file.

    Returns:
        the content of `summary.json`.

    Raises:
        UserError: too many examples are faulty, there are too few for these settings, or an answer names a class that
            there is not.
    """
    examples, decoded = load_examples(listing, scratch / "examples", settings)
    # The listing's reasons replace those of decoding: some of its faulty rows have no path to decode.
    faults = (decoded.faults if decoded else {}) | listing.faults
    usable, origin = usable_rows(faults, listing.origin, settings.max_faulty), listing.origin
    listing, usable, left_out = without_small_classes(listing, usable, settings.min_class_size)
    digests = decoded.digests if decoded else None
    said = find_said(answers, origin, usable, digests, decoded_as(examples.shape, settings))
    assignment = assign_splits(listing, usable, digests, examples.features, settings, said)

    none = dict.fromkeys(assignment.answered.none, NONE_OF_THEM) if assignment.answered else {}
    write_quarantine(folder / "quarantine.csv", faults | none, origin, listing.left_out)
    equal = near = None  # rows of a table may be equal, and are not compared
    if decoded is not None:
        equal = write_duplicates(folder / "duplicates.csv", usable, assignment, origin)
    if decoded is not None and decoded.hashes is not None:
        near = write_near_duplicates(folder / "near_duplicates.csv", examples, decoded.hashes, assignment, origin)
    medians = medians_of(listing, examples.features, assignment.rows["train"])
    statistics = write_stores(folder, examples, assignment, origin, medians)
    write_truth(assignment.targets.index[assignment.rows["unlabelled"]], folder / "truth.parquet")
    write_contact_sheets(folder / "contact_sheets", examples, assignment.rows["train"], assignment.targets)
    summary = summarize(examples, assignment, listing.features, statistics, len(faults), equal, near)
    summary["notes"] += [*left_out, *note_filled(listing.features, medians)]
    columns = described(listing.columns, medians)
    summary |= {"levels": settings.levels, "page": settings.page}
    summary["columns"] = None if columns is None else [asdict(each) for each in columns]
    summary |= {"answers": assignment.answered.counts} if assignment.answered else {}
    write_description(folder, assignment.targets.classes, summary)
    for note in summary["notes"]:
        print(f"prepare: {note}", file=sys.stderr)
    return summary


def write_stores(
    folder: Path, examples: Examples, assignment: Assignment, origin: pa.Array, medians: dict[int, float]
) -> dict[str, Any]:
    """Write one store per split; return the training split's statistics.

    Args:
        folder: where they go.
        examples: all of them.
        assignment: of the examples to the splits.
        origin: (N,) where each comes from.
        medians: of the features whose NaN are filled.
    """
    statistics = (
        PixelStatistics(examples.shape[-1]) if examples.dtype == "uint8" else FeatureStatistics(examples.shape[0])
    )
    interrupted = Event()

    def write(name: str) -> None:
        rows = assignment.rows[name]
        with StoreWriter(folder / name, len(rows), examples.shape, examples.dtype) as writer:
            for found in examples.batches(rows):
                if interrupted.is_set():
                    return
                batch = fill(found, medians)
                writer.append(batch)
                if name == "train":
                    statistics.add(batch)
            writer.close(labels_of_split(assignment, name, origin))

    # In parallel: hashing and writing take longest, and release Python's global lock.
    with ThreadPoolExecutor(len(SPLITS)) as threads:
        try:
            for _ in track(threads.map(write, SPLITS), "prepare: write", len(SPLITS)):
                pass
        except BaseException:
            interrupted.set()  # after a signal, do not wait for the rest
            raise
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


def write_truth(index: Array, path: Path) -> None:
    """Write the withheld labels of the unlabelled pool, null where there are none; only `evaluate` reads them."""
    columns = {"row": np.arange(len(index), dtype=np.int64), "label": pa.array(index, mask=index == UNKNOWN)}
    pq.write_table(pa.table(columns), path, compression="zstd")


def write_contact_sheets(folder: Path, examples: Examples, rows: Array, targets: Targets) -> None:
    """Write a contact sheet for each class of the training split: `class-000.png` and so on, by class index.

    Each has the class's name and up to 64 examples. Images of a set without classes are in `train.png`; tables have
    no sheets.
    """
    folder.mkdir()
    if examples.features is not None:
        return
    index = targets.index[rows]
    present = np.unique(index)
    for code in track(present.tolist(), "prepare: contact sheets", len(present)):
        name, title = ("train", "") if code == UNKNOWN else (f"class-{code:03}", targets.classes[code])
        images = examples.take(evenly_spaced(rows[index == code]))
        write_sheet(folder / f"{name}.png", list(images), SHEET_COLUMNS, title=title)


def evenly_spaced(rows: Array) -> Array:
    """Return at most `SHEET_IMAGES` of these rows, evenly spaced from the first to the last."""
    positions = np.linspace(0, len(rows) - 1, min(SHEET_IMAGES, len(rows)))
    return rows[np.round(positions).astype(np.int64)]
