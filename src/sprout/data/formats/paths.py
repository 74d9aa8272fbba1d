"""A table with one row per image file: `path,label[,split,group]`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.formats.faults import Faults, all_of, merged
from sprout.data.formats.inside import Finder
from sprout.data.formats.splits import given_splits, without_target
from sprout.data.formats.text_table import numbered, open_table, require, text_columns, trimmed
from sprout.data.sources.class_names import named
from sprout.data.sources.listing import Files, Listing
from sprout.runtime.progress import track

CHUNK = 10_000
SHOWN = 5


def read(
    root: Path,
    *,
    file: str,
    path: str,
    label: str | None,
    split: str | None,
    group: str | None,
    classes: Sequence[str] | None,
) -> Listing:
    """List the images that a table names. All that is wrong with its rows is found in one pass.

    Args:
        root: the folder that no path may leave.
        file: the table; see `settings.forms.Paths` for this and all that follow.

    Raises:
        UserError: there is no such table, or it lacks a column.
    """
    table = open_table(root, file)
    require(table, "download.form", path, label, split, group)
    text = text_columns(table, [name for name in (path, label, split, group) if name is not None])
    splits, split_faults = (None, {}) if split is None else given_splits(trimmed(text[split]))
    names = None if label is None else trimmed(text[label])
    labels, label_faults = (None, {}) if names is None else named(names, classes)
    files, path_faults = find_all(Finder(root, str(Path(file).parent)), text[path])
    faults = merged(
        path_faults,
        split_faults,
        {}
        if names is None
        else all_of(
            without_target(names, splits),
            f"no label in column {label!r}",
        ),
        label_faults,
        repeats(pa.array(files, pa.string()), names),
    )
    return Listing(
        Files(root, files),
        origins(file, text[path], faults),
        label=labels,
        split=splits,
        group=None if group is None else trimmed(text[group]),
        classes=None if classes is None or label is None else list(classes),
        faults=faults,
    )


def find_all(finder: Finder, paths: pa.Array) -> tuple[list[str], Faults]:
    """Each path as the file system spells it, "" where there is no such file, and why there is none."""
    files: list[str] = []
    faults: Faults = {}
    starts = range(0, len(paths), CHUNK)
    for start in track(starts, "files", len(starts)):
        for path in paths[start : start + CHUNK].to_pylist():
            found, fault = finder.find(path)
            if fault:
                faults[len(files)] = fault
            files.append(found)
    return files, faults


def repeats(files: pa.Array, labels: pa.Array | None) -> Faults:
    """Rows that name a file again, and all rows of a file with several labels."""
    encoded = files.dictionary_encode()
    codes = encoded.indices.to_numpy()
    seen = np.bincount(codes, minlength=len(encoded.dictionary)) > 1
    seen[np.asarray(pc.equal(encoded.dictionary, ""))] = False
    rows = np.flatnonzero(seen[codes])
    by_file: dict[int, list[int]] = {}
    for row, code in zip(rows.tolist(), codes[rows].tolist(), strict=True):
        by_file.setdefault(code, []).append(row)
    faults: Faults = {}
    for same in by_file.values():
        given = [] if labels is None else labels.take(pa.array(same)).to_pylist()
        if len(set(given)) > 1:
            listed = ", ".join(f"row {row + 1} {name!r}" for row, name in zip(same[:SHOWN], given, strict=False))
            more = f" and {len(same) - SHOWN} more" if len(same) > SHOWN else ""
            faults |= all_of(same, f"conflicting labels for the same file: {listed}{more}")
        else:
            faults |= all_of(same[1:], f"same file as row {same[0] + 1}")
    return faults


def origins(file: str, paths: pa.Array, faults: Faults) -> pa.Array:
    """The row of each example; of a faulty one, its path too: (N,) string."""
    rows = numbered(file, len(paths))
    faulty = np.zeros(len(paths), bool)
    faulty[list(faults)] = True
    faulty &= np.asarray(pc.not_equal(paths.fill_null(""), ""))
    return pc.if_else(pa.array(faulty), pc.binary_join_element_wise(rows, paths.fill_null(""), ": "), rows)
