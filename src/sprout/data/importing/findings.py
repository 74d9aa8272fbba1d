"""What was seen, said to a person."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.table import Table

from sprout.data.importing.look import Look
from sprout.data.importing.recognise import Found
from sprout.data.prepare.groups import equal_pictures
from sprout.data.sources.class_names import natural_order
from sprout.data.sources.listing import SPLITS, Array, Listing
from sprout.runtime.errors import printable

SHOWN = 20
MOST_CLASSES = 100
SMALL = 10
"""A class with fewer examples is said to be small."""
UNEVEN = 10
"""The classes are said to be uneven where the largest has so many times the examples of the smallest."""
FORMS = {
    "folders": "images in folders",
    "paths": "a table of image files",
    "pixels": "a table of pixels",
    "arrays": "arrays",
    "table": "a table of features",
}


def findings(found: Found, listing: Listing, seen: Look) -> Iterator[Table | str]:
    """All that was found, as tables and lines."""
    yield f"{found.path}: {described(found, listing, seen)}"
    yield from found.said
    if listing.label is not None or listing.split is not None:
        yield counts(listing, seen)
    if listing.value is not None:
        yield f"target: {numbers(listing.value.take(pa.array(seen.sound)))}"
    if seen.digests is not None and len(seen.sound):
        yield f"sizes (width×height): {sizes(seen)}"
        yield f"colour: {colour(seen)}"
        yield f"equal pictures: {duplicates(listing, seen, seen.digests)}"
    yield from faults(listing, seen)
    yield from (f"note: {note}" for note in notes(listing, seen))


def described(found: Found, listing: Listing, seen: Look) -> str:
    """The data in a few words."""
    archive = " in an archive" if found.is_unpacked else ""
    features, classes = len(listing.features or []), len(labels_of(listing, seen).unique().drop_null())
    several = f", {features:,} feature{'s' if features > 1 else ''}" if features else ""
    learned = f", {classes:,} class{'es' if classes > 1 else ''}" if classes else ", no labels"
    learned = learned if listing.value is None else ""
    return f"{FORMS[found.form['kind']]}{archive}, {len(listing):,} examples{several}{learned}"


def labels_of(listing: Listing, seen: Look) -> pa.Array:
    """The labels of the sound examples: (n,) string."""
    return pa.nulls(len(seen.sound), pa.string()) if listing.label is None else listing.label.take(pa.array(seen.sound))


def splits_of(listing: Listing, seen: Look) -> pa.Array:
    """The same for the splits."""
    return pa.nulls(len(seen.sound), pa.string()) if listing.split is None else listing.split.take(pa.array(seen.sound))


def counts(listing: Listing, seen: Look) -> Table:
    """Sound examples by class and split."""
    labels, splits = labels_of(listing, seen), splits_of(listing, seen)
    names = [*natural_order(labels.unique().drop_null().to_pylist()), *([None] if labels.null_count else [])]
    parts = [part for part in (*SPLITS, None) if part in splits.unique().to_pylist()]
    row, column = pc.index_in(labels, pa.array(names, pa.string())), pc.index_in(splits, pa.array(parts, pa.string()))
    cells = np.zeros((len(names), len(parts)), np.int64)
    np.add.at(cells, (row.to_numpy(), column.to_numpy()), 1)
    table = Table("class", box=None, pad_edge=False)
    for part in parts:
        table.add_column(part or ("examples" if parts == [None] else "to be drawn"), justify="right")
    for name, cell in zip(names[:MOST_CLASSES], cells, strict=False):
        table.add_row(printable("(no label)" if name is None else name), *(f"{count:,}" for count in cell))
    if len(names) > MOST_CLASSES:
        rest = cells[MOST_CLASSES:].sum(axis=0)
        table.add_row(f"({len(names) - MOST_CLASSES:,} more)", *(f"{count:,}" for count in rest))
    if len(names) > 1:
        table.add_row("all", *(f"{count:,}" for count in cells.sum(axis=0)))
    return table


def numbers(values: pa.Array) -> str:
    """The range of a target that is a number."""
    found = values.drop_null().to_numpy()
    return f"{found.min():g} to {found.max():g}, {found.mean():g} on average" if len(found) else "no numbers"


def sizes(seen: Look) -> str:
    """The usual size and the range."""
    shapes = seen.shapes[seen.sound, :2]
    different, times = np.unique(shapes, axis=0, return_counts=True)
    usual = wide(different[times.argmax()])
    if len(different) == 1:
        return f"{usual}, all of them"
    low, high = wide(shapes.min(axis=0)), wide(shapes.max(axis=0))
    return (
        f"{usual} most often ({times.max():,} of {len(shapes):,}), from {low} to {high}, {len(different):,} different"
    )


def wide(size: Array) -> str:
    """Width×height."""
    return f"{size[1]}×{size[0]}"


def colour(seen: Look) -> str:
    """How many are grey, and how many only look like colour."""
    grey, channels = seen.grey[seen.sound], seen.shapes[seen.sound, 2]
    said = [(f"{int((~grey).sum()):,} in colour", (~grey).any()), (f"{int(grey.sum()):,} grey", grey.any())]
    hidden = int((grey & (channels > 1)).sum())
    of_them = "" if not hidden else f" ({'all' if hidden == grey.sum() else f'{hidden:,} of them'} saved as colour)"
    return ", ".join(text for text, there in said if there) + of_them


def duplicates(listing: Listing, seen: Look, digests: Array) -> str:
    """How many pictures equal an earlier one, across the data's own splits, and with another label."""
    first = equal_pictures(digests, seen.sound)
    again = seen.sound[first[seen.sound] != seen.sound]
    if not len(again):
        return "none"
    said = [f"{len(again):,} equal an earlier one"]
    for column, what in ((listing.split, "in another split"), (listing.label, "with another label")):
        if column is not None and (other := different(column, again, first[again])):
            said.append(f"{other:,} of them {what}")
    return ", ".join(said)


def different(column: pa.Array, rows: Array, others: Array) -> int:
    """How many of these rows differ from the others."""
    one, other = column.take(pa.array(rows)), column.take(pa.array(others))
    return int(pc.sum(pc.not_equal(one, other)).as_py() or 0)


def faults(listing: Listing, seen: Look) -> Iterator[Table | str]:
    """How many, and the first of them."""
    share = f" ({len(seen.faults) / max(1, len(listing)):.1%})" if seen.faults else ""
    yield f"faults: {len(seen.faults):,}{share}" if seen.faults else "faults: none"
    if not seen.faults:
        return
    table = Table("where", "what is wrong", box=None, pad_edge=False)
    for row in sorted(seen.faults)[:SHOWN]:
        table.add_row(printable(listing.origin[row].as_py()), printable(seen.faults[row]))
    yield table
    if len(seen.faults) > SHOWN:
        yield f"and {len(seen.faults) - SHOWN:,} more; the stage prepare lists all of them in quarantine.csv"


def notes(listing: Listing, seen: Look) -> Iterator[str]:
    """What may go wrong in learning."""
    counted = labels_of(listing, seen).drop_null().value_counts().to_pylist()
    by_class = {entry["values"]: entry["counts"] for entry in counted}
    for alike in look_alike([*by_class]):
        yield f"classes that differ only in case or Unicode form: {', '.join(map(repr, alike))}; are they one?"
    if small := [name for name in natural_order(by_class) if by_class[name] < SMALL]:
        listed = ", ".join(f"{printable(name)} {by_class[name]}" for name in small[:SHOWN])
        yield f"classes with fewer than {SMALL} examples: {listed}{', …' if len(small) > SHOWN else ''}"
    if by_class and max(by_class.values()) >= UNEVEN * min(by_class.values()):
        ratio = max(by_class.values()) // min(by_class.values())
        yield f"the largest class has {ratio:,} times as many examples as the smallest; accuracy alone will mislead"


def look_alike(names: list[str]) -> list[list[str]]:
    """Names that a person would take for one."""
    alike = defaultdict(list)
    for name in names:
        alike[unicodedata.normalize("NFKC", name).casefold()].append(name)
    return [sorted(same) for same in alike.values() if len(same) > 1]
