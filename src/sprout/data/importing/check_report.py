"""The report on a user's data that `sprout check` and `sprout new` print."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.table import Table

from sprout.config.formats import Paths
from sprout.data.formats.labels import natural_order
from sprout.data.formats.paths import unlisted_files
from sprout.data.importing.related_images import related_notes
from sprout.data.importing.user_data import Scan, UserData
from sprout.data.importing.window import UNIT, WHOLE, suggest_window
from sprout.data.listing import SPLITS, Array, Files, Listing
from sprout.data.prepare.duplicates import first_equal
from sprout.runtime.errors import listed, printable

SHOWN = 20
MAX_CLASSES = 100
SMALL_CLASS = 10
"""A class with fewer examples is reported as small."""
IMBALANCE = 10
"""A ratio of the largest to the smallest class from which it is reported."""
FEW_LEVELS = 64
"""Grey levels; images that use fewer may have lost what matters."""
FORMATS = {
    "folders": "images in folders",
    "paths": "a table of images",
    "names": "images whose names tell their classes",
    "pixels": "a table of pixels",
    "arrays": "arrays",
    "table": "a table of features",
}


def check_report(data: UserData) -> Iterator[Table | str]:
    """Yield the report, as tables and lines."""
    listing, scan = data.listing, data.scan
    yield f"{data.detected.path}: {describe_data(data)}"
    yield from (*data.detected.notes, *listing.notes, *unlisted_notes(data))
    if listing.label is not None or listing.split is not None:
        yield count_table(listing, scan)
    if listing.value is not None:
        yield f"target: {describe_numbers(listing.value.take(pa.array(scan.usable)))}"
    if scan.digests is not None and len(scan.usable):
        yield f"sizes (width×height): {describe_sizes(scan)}"
        yield f"colour: {describe_colour(scan)}"
        yield from describe_depth(scan)
        yield f"equal images: {describe_duplicates(listing, scan, scan.digests)}"
    yield from describe_faults(listing, scan)
    yield from (f"note: {note}" for note in [*learning_notes(listing, scan), *related_notes(listing)])


def unlisted_notes(data: UserData) -> Iterator[str]:
    """Yield what becomes of the images that no row of a table names; not beside a table that was named by its path."""
    detected, examples = data.detected, data.listing.examples
    if not isinstance(detected.format, Paths) or not isinstance(examples, Files) or not detected.is_folder:
        return
    if examples.root != detected.root:  # the tables hold the images
        return
    others = unlisted_files(detected.root, examples.paths)
    if len(others):
        file = detected.format.file
        tables = file if isinstance(file, str) else listed(file)
        yield (
            f"left out: {len(others):,} files that no row of {tables} names, such as "
            f"{printable(others[0].as_py())}; `unlisted: unlabelled` in the format makes them the unlabelled images"
        )


def describe_data(data: UserData) -> str:
    """Return a summary in a few words."""
    archive = " in an archive" if data.detected.is_unpacked else ""
    features = len(data.listing.features or [])
    feature_count = f", {features:,} feature{'s' if features > 1 else ''}" if features else ""
    classes = len(labels_of(data.listing, data.scan).unique().drop_null())
    learned = f", {classes:,} class{'es' if classes > 1 else ''}" if classes else ", no labels"
    learned = learned if data.listing.value is None else ""
    kind = FORMATS[data.detected.format.kind]
    return f"{kind}{archive}, {len(data.listing):,} examples{feature_count}{learned}"


def labels_of(listing: Listing, scan: Scan) -> pa.Array:
    """Return the labels of the usable examples: (n,) string."""
    return usable_values(listing.label, scan)


def usable_values(column: pa.Array | None, scan: Scan) -> pa.Array:
    """Return a column's values of the usable examples: (n,) string, all null where there is no column."""
    return pa.nulls(len(scan.usable), pa.string()) if column is None else column.take(pa.array(scan.usable))


def count_table(listing: Listing, scan: Scan) -> Table:
    """Return the number of usable examples by class and split."""
    labels, splits = labels_of(listing, scan), usable_values(listing.split, scan)
    names = [*natural_order(labels.unique().drop_null().to_pylist()), *([None] if labels.null_count else [])]
    present = [split for split in (*SPLITS, None) if split in splits.unique().to_pylist()]
    row = pc.index_in(labels, pa.array(names, pa.string()))
    column = pc.index_in(splits, pa.array(present, pa.string()))
    counts = np.zeros((len(names), len(present)), np.int64)
    np.add.at(counts, (row.to_numpy(), column.to_numpy()), 1)
    table = Table("class", box=None, pad_edge=False)
    for split in present:
        table.add_column(split or ("examples" if present == [None] else "no split given"), justify="right")
    for name, cells in zip(names[:MAX_CLASSES], counts, strict=False):
        table.add_row(printable("(no label)" if name is None else name), *(f"{count:,}" for count in cells))
    if len(names) > MAX_CLASSES:
        rest = counts[MAX_CLASSES:].sum(axis=0)
        table.add_row(f"({len(names) - MAX_CLASSES:,} more)", *(f"{count:,}" for count in rest))
    if len(names) > 1:
        table.add_row("all", *(f"{count:,}" for count in counts.sum(axis=0)))
    return table


def describe_numbers(values: pa.Array) -> str:
    """Return the range and mean of a numeric target."""
    numbers = values.drop_null().to_numpy()
    return f"{numbers.min():g} to {numbers.max():g}, mean {numbers.mean():g}" if len(numbers) else "no numbers"


def describe_sizes(scan: Scan) -> str:
    """Return the most frequent size and the range."""
    sizes = scan.shapes[scan.usable, :2]
    distinct, counts = np.unique(sizes, axis=0, return_counts=True)
    usual = width_by_height(distinct[counts.argmax()])
    if len(distinct) == 1:
        return f"all {usual}"
    low, high = width_by_height(sizes.min(axis=0)), width_by_height(sizes.max(axis=0))
    most = f"{usual} most often ({counts.max():,} of {len(sizes):,})"
    return f"{most}, from {low} to {high}, {len(distinct):,} different"


def width_by_height(size: Array) -> str:
    """Format (height, width) as width×height."""
    return f"{size[1]}×{size[0]}"


def describe_colour(scan: Scan) -> str:
    """Return how many images are in colour and how many are grey, also where they are stored as colour."""
    grey, channels = scan.grey[scan.usable], scan.shapes[scan.usable, 2]
    stored_as_colour = int((grey & (channels > 1)).sum())
    share = "all" if stored_as_colour == grey.sum() else f"{stored_as_colour:,} of them"
    remark = f" ({share} stored as colour)" if stored_as_colour else ""
    in_colour = [f"{int((~grey).sum()):,} in colour"] if (~grey).any() else []
    in_grey = [f"{int(grey.sum()):,} grey"] if grey.any() else []
    return ", ".join(in_colour + in_grey) + remark


def describe_depth(scan: Scan) -> Iterator[str]:
    """Yield the range of images of more than 8 bits, and how many images have further pages."""
    ranges = scan.ranges[scan.usable]
    deep = ranges[~np.isnan(ranges[:, 0])]
    if len(deep):
        scaled = "scaled from the whole range"
        if scan.levels is not None:
            scaled = f"scaled from {scan.levels[0]:g} to {scan.levels[1]:g} (prepare.levels)"
        yield (
            f"more than 8 bits: {len(deep):,} images with levels from {deep[:, 0].min():g} to {deep[:, 1].max():g}, "
            f"{scaled}: {int(scan.used.sum())} of 256 grey levels are used{window_hint(scan, deep[:, 1].max())}"
        )
    pages = scan.pages[scan.usable]
    if (several := int((pages > 1).sum())) > 0:
        yield (
            f"pages: {several:,} images have further pages or frames, up to {pages.max():,} in all; page 0 is taken, "
            "prepare.page chooses another"
        )


def window_hint(scan: Scan, highest: float) -> str:
    """Return what to do where images of more than 8 bits use few grey levels, as with a few very bright pixels.

    Args:
        scan: what is known of the images.
        highest: the largest level of them.
    """
    if scan.used.sum() >= FEW_LEVELS:
        return ""
    window = suggest_window(scan.counts, scan.levels or (UNIT if highest <= 1 else WHOLE))
    if window is None:
        return "; if a narrower range matters, as a window of CT, set prepare.levels to it"
    return (
        f"; {window.share:.1%} of the pixels to learn from lie in a narrower range, with which {window.used} would be: "
        f"prepare.levels=[{window.low:g},{window.high:g}]"
    )


def describe_duplicates(listing: Listing, scan: Scan, digests: Array) -> str:
    """Return how many images equal an earlier one, how many of these in another split or with another label."""
    first = first_equal(digests, scan.usable)
    repeated = scan.usable[first[scan.usable] != scan.usable]
    if not len(repeated):
        return "none"
    counts = [f"{len(repeated):,} equal an earlier one"]
    for column, what in ((listing.split, "in another split"), (listing.label, "with another label")):
        if column is not None and (differing := count_differing(column, repeated, first[repeated])):
            counts.append(f"{differing:,} of them {what}")
    return ", ".join(counts)


def count_differing(column: pa.Array, rows: Array, others: Array) -> int:
    """Return the number of these rows whose value differs from that of the other row."""
    return int(pc.sum(pc.not_equal(column.take(pa.array(rows)), column.take(pa.array(others)))).as_py() or 0)


def describe_faults(listing: Listing, scan: Scan) -> Iterator[Table | str]:
    """Yield the number of faults, and the first ones."""
    faults = scan.faults
    if not faults:
        yield "faults: none"
        return
    yield f"faults: {len(faults):,} ({len(faults) / len(listing):.1%})"
    table = Table("where", "what is wrong", box=None, pad_edge=False)
    for row in sorted(faults)[:SHOWN]:
        table.add_row(printable(listing.origin[row].as_py()), printable(faults[row]))
    yield table
    if len(faults) > SHOWN:
        yield f"and {len(faults) - SHOWN:,} more; the stage prepare lists all of them in quarantine.csv"


def learning_notes(listing: Listing, scan: Scan) -> Iterator[str]:
    """Yield what may go wrong in training."""
    counted = labels_of(listing, scan).drop_null().value_counts().to_pylist()
    counts = {entry["values"]: entry["counts"] for entry in counted}
    for similar in similar_names([*counts]):
        yield f"classes that differ only in case or Unicode form: {', '.join(map(repr, similar))}; are they the same?"
    if small := [name for name in natural_order(counts) if counts[name] < SMALL_CLASS]:
        names = ", ".join(f"{printable(name)} {counts[name]}" for name in small[:SHOWN])
        more = ", …" if len(small) > SHOWN else ""
        yield f"classes with fewer than {SMALL_CLASS} examples: {names}{more}; --min-class-size leaves small ones out"
    if counts and max(counts.values()) >= IMBALANCE * min(counts.values()):
        ratio = max(counts.values()) // min(counts.values())
        yield f"the largest class has {ratio:,} times as many examples as the smallest; accuracy alone is misleading"


def similar_names(names: list[str]) -> list[list[str]]:
    """Return groups of names that are equal apart from case and Unicode form."""
    groups = defaultdict(list)
    for name in names:
        groups[unicodedata.normalize("NFKC", name).casefold()].append(name)
    return [sorted(group) for group in groups.values() if len(group) > 1]
