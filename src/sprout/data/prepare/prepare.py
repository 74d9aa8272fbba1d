"""The stage `prepare`: decode, check, split, withhold labels, write the stores and what describes them."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.config.prepare import Prepare
from sprout.data.contact_sheet import write_sheet
from sprout.data.description import write_description
from sprout.data.listing import Array, Listing
from sprout.data.prepare.answered import NONE_OF_THEM, find_said
from sprout.data.prepare.answers import Answer, decoded_as
from sprout.data.prepare.assignment import assign_splits
from sprout.data.prepare.csv_lists import usable_rows, write_duplicates, write_near_duplicates, write_quarantine
from sprout.data.prepare.examples import Examples, load_examples
from sprout.data.prepare.missing import described, medians_of, note_filled
from sprout.data.prepare.record import record
from sprout.data.prepare.small_classes import without_small_classes
from sprout.data.prepare.stores import write_images, write_rows_of_table
from sprout.data.prepare.summary import summarize
from sprout.data.prepare.targets import UNKNOWN, Targets
from sprout.runtime.engine import Engine
from sprout.runtime.objects import Objects
from sprout.runtime.progress import track

SHEET_IMAGES = 64
SHEET_COLUMNS = 8


def prepare(
    listing: Listing,
    folder: Path,
    scratch: Path,
    settings: Prepare,
    engine: Engine,
    answers: Sequence[Answer] = (),
    objects: Objects | None = None,
) -> dict[str, Any]:
    """Write the four stores and what describes them.

    Args:
        listing: the examples of a source.
        folder: an empty folder.
        scratch: a folder for decoded images, empty or with other files; all machines of a cluster have both folders.
        settings: the section `prepare`.
        engine: where many images are decoded and written.
        answers: people's, in the order of their file.
        objects: where the files of examples go; None for the folder.

    Returns:
        the content of `summary.json`.

    Raises:
        UserError: too many examples are faulty, there are too few for these settings, an answer names a class that
            there is not, or `objects` cannot be reached.
    """
    if objects is not None:
        objects.check_reached()
    examples, decoded = load_examples(listing, scratch, settings, engine)
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
    if decoded is not None:
        statistics = write_images(folder, decoded, assignment, origin, engine, objects)
    else:
        assert examples.features is not None, "what is not decoded is a table"
        statistics = write_rows_of_table(folder, examples.features, assignment, origin, medians, objects)
    write_truth(assignment.targets.index[assignment.rows["unlabelled"]], folder / "truth.parquet")
    write_contact_sheets(folder / "contact_sheets", examples, assignment.rows["train"], assignment.targets)
    summary = summarize(examples, assignment, listing.features, statistics, len(faults), equal, near)
    summary["notes"] += [*left_out, *note_filled(listing.features, medians)]
    columns = described(listing.columns, medians)
    summary |= {"levels": settings.levels, "page": settings.page}
    summary["columns"] = None if columns is None else [asdict(each) for each in columns]
    summary |= {"answers": assignment.answered.counts} if assignment.answered else {}
    write_description(folder, assignment.targets.classes, summary)
    if objects is not None:
        record(folder, objects)
    for note in summary["notes"]:
        print(f"prepare: {note}", file=sys.stderr)
    return summary


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
