"""Format `paths`: a table with one row per image file, such as `path,label[,split,group]`."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.config.formats import Paths
from sprout.data.formats.file_tree import Finder
from sprout.data.formats.labels import class_names, rows_without_target, split_names
from sprout.data.formats.text_table import open_table, require_columns, text_columns
from sprout.data.formats.values import row_names, trimmed
from sprout.data.listing import Faults, Files, Listing, merge_faults, same_fault
from sprout.runtime.progress import track

CHUNK = 10_000
"""Paths that are looked up at a time."""
SHOWN = 5


def read(root: Path, _scratch: Path, settings: Paths) -> Listing:
    """List the images that a table names, with all faults of its rows.

    Args:
        root: the data folder, which no path may leave.
        settings: the table, and which columns are what.

    Raises:
        UserError: there is no such table, or it lacks a column.
    """
    names = (settings.path, settings.label, settings.split, settings.group)
    table = open_table(root, settings.file)
    require_columns(table, *names)
    text = text_columns(table, [name for name in names if name is not None])
    splits, split_faults = (None, {}) if settings.split is None else split_names(trimmed(text[settings.split]))
    given = None if settings.label is None else trimmed(text[settings.label])
    labels, label_faults = (None, {}) if given is None else class_names(given, settings.classes)
    missing = np.array([]) if given is None else rows_without_target(given, splits)
    paths = text[settings.path]
    files, path_faults = find_all(Finder(root, str(Path(settings.file).parent)), paths)
    faults = merge_faults(
        path_faults,
        split_faults,
        same_fault(missing, f"no label in column {settings.label!r}"),
        label_faults,
        repeated_files(pa.array(files, pa.string()), given),
    )
    return Listing(
        Files(root, files),
        origins(settings.file, paths, faults),
        label=labels,
        split=splits,
        group=None if settings.group is None else trimmed(text[settings.group]),
        classes=None if settings.classes is None or labels is None else list(settings.classes),
        faults=faults,
    )


def find_all(finder: Finder, paths: pa.Array) -> tuple[list[str], Faults]:
    """Return each path as the file system spells it, "" where it cannot be used, and the faults."""
    files: list[str] = []
    faults: Faults = {}
    starts = range(0, len(paths), CHUNK)
    for start in track(starts, "files", len(starts)):
        for path in paths[start : start + CHUNK].to_pylist():
            file, fault = finder.find(path)
            if fault:
                faults[len(files)] = fault
            files.append(file)
    return files, faults


def repeated_files(files: pa.Array, labels: pa.Array | None) -> Faults:
    """Return the rows that name a file again, and all rows of a file with several labels."""
    encoded = files.dictionary_encode()
    codes = encoded.indices.to_numpy()
    repeated = np.bincount(codes, minlength=len(encoded.dictionary)) > 1
    repeated[np.asarray(pc.equal(encoded.dictionary, ""))] = False
    rows = np.flatnonzero(repeated[codes])
    by_file: dict[int, list[int]] = {}
    for row, code in zip(rows.tolist(), codes[rows].tolist(), strict=True):
        by_file.setdefault(code, []).append(row)
    faults: Faults = {}
    for same in by_file.values():
        names = [] if labels is None else labels.take(pa.array(same)).to_pylist()
        if len(set(names)) > 1:
            listed = ", ".join(f"row {row + 1} {name!r}" for row, name in zip(same[:SHOWN], names, strict=False))
            more = f" and {len(same) - SHOWN} more" if len(same) > SHOWN else ""
            faults |= same_fault(same, f"conflicting labels for the same file: {listed}{more}")
        else:
            faults |= same_fault(same[1:], f"same file as row {same[0] + 1}")
    return faults


def origins(file: str, paths: pa.Array, faults: Faults) -> pa.Array:
    """Return the row of each example, with the path of a faulty one: (N,) string."""
    rows = row_names(file, len(paths))
    faulty = np.zeros(len(paths), bool)
    faulty[list(faults)] = True
    faulty &= np.asarray(pc.not_equal(paths.fill_null(""), ""))
    return pc.if_else(pa.array(faulty), pc.binary_join_element_wise(rows, paths.fill_null(""), ": "), rows)
