"""A contact sheet for each class of the training split, for a person to look at."""

from pathlib import Path

import numpy as np

from sprout.data.contact_sheet import write_sheet
from sprout.data.prepare.classes import UNKNOWN, Targets
from sprout.data.prepare.examples import Examples
from sprout.data.sources.listing import Array
from sprout.runtime.progress import track

SHOWN = 64
COLUMNS = 8


def write_sheets(folder: Path, examples: Examples, rows: Array, learned: Targets) -> None:
    """Write `class-000.png` and so on, by class index, with up to 64 examples spread over the split.

    The class's name stands above them. A class without an example has none; images of a set without classes are in
    `train.png`; tables have no sheets.

    Args:
        folder: where to; it is made.
        examples: all of them.
        rows: (n,) those of the training split.
        learned: their classes.
    """
    folder.mkdir()
    if examples.features is not None:
        return
    index = learned.index[rows]
    found = np.unique(index)
    for code in track(found.tolist(), "prepare: contact sheets", len(found)):
        name, title = ("train", "") if code == UNKNOWN else (f"class-{code:03}", learned.classes[code])
        shown = spread(rows[index == code])
        write_sheet(folder / f"{name}.png", list(examples.take(shown)), COLUMNS, title=title)


def spread(rows: Array) -> Array:
    """At most `SHOWN` of these rows, evenly from the first to the last."""
    places = np.linspace(0, len(rows) - 1, min(SHOWN, len(rows)))
    return rows[np.round(places).astype(np.int64)]
