"""Format `folders`: images in `<class>/…` or `train|val|test/<class>/…`, optionally `unlabelled/…`; or no folders."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.formats import Folders
from sprout.data.formats.file_tree import Entry, is_document, readable, walk
from sprout.data.formats.folder_layout import Branch, find_layout
from sprout.data.listing import TEXT, Faults, Files, Listing, Texts, without_faulty
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

IN_NO_CLASS = "in no class folder; move it to one, or to `unlabelled`"


def read(root: Path, _scratch: Path, _settings: Folders) -> Listing:
    """List a folder's files in the order of their names' bytes, without hidden ones and those of file managers.

    Documents are left out. Class names are compared in Unicode's NFC; paths keep the spelling of the file system.
    Links to folders are not followed.

    Raises:
        UserError: there are no files, a class folder is empty, or the folders are neither classes nor splits.
    """
    layout = find_layout(root)
    branches = layout.branches
    origin, faults, counts = list_files(root, branches)
    check(root, branches, counts)
    labels = per_file([branch.label for branch in branches], counts)
    splits = per_file([branch.split for branch in branches], counts)
    has_labels = labels.null_count < len(labels)
    # If nothing has a label, "unlabelled" makes no difference.
    has_splits = {branch.split for branch in branches} - {None} - (set() if has_labels else {"unlabelled"})
    return Listing(
        Files(root, without_faulty(origin, faults)),
        origin,
        label=labels if has_labels else None,
        split=splits if has_splits else None,
        faults=unclassified(branches, counts) | faults,
        notes=[*layout.notes, *empty_pools(branches, counts)],
    )


def list_files(root: Path, branches: list[Branch]) -> tuple[pa.Array, Faults, list[int]]:
    """Return the paths of the files of all branches without documents, readable; their faults; and those per branch.

    Entries are taken out of the branches, as those of millions of files are gigabytes.
    """
    real, start = os.path.realpath(root), len(os.fspath(root)) + 1
    paths, faults, counts, row = Texts(), dict[int, str](), list[int](), 0
    for branch in track(branches, "files", len(branches)):
        first = row
        for path, fault in walk(real, start, taken(branch.entries)):
            if fault is None and is_document(path):
                continue
            if fault is not None:
                faults[row] = fault
            paths.append(readable(path))
            row += 1
        counts.append(row - first)
    return paths.end(), faults, counts


def taken(entries: list[Entry]) -> list[Entry]:
    """Return these entries, of which none remains in the list."""
    moved = [*entries]
    entries.clear()
    return moved


def check(root: Path, branches: list[Branch], counts: list[int]) -> None:
    """Check that there are files, and that every class has some.

    Raises:
        UserError: there are none.
    """
    if not sum(counts):
        raise UserError(f"{root}: no files here, or only hidden ones and documents")
    by_class: dict[str, int] = {}
    for branch, count in zip(branches, counts, strict=True):
        if branch.label is not None:
            by_class[branch.label] = by_class.get(branch.label, 0) + count
    if empty := [name for name, count in by_class.items() if not count]:
        counted = ", ".join(
            f"{name!r} {count}" for name, count in sorted(by_class.items(), key=lambda item: item[1])[:20]
        )
        raise UserError(
            f"{root}: no files in the class folder {', '.join(map(repr, empty))} ({counted}); add some or remove it"
        )


def empty_pools(branches: list[Branch], counts: list[int]) -> list[str]:
    """Say of a folder of unlabelled examples that it has none."""
    pool = [count for branch, count in zip(branches, counts, strict=True) if branch.split == "unlabelled"]
    return ["the folder of unlabelled examples is empty"] if pool and not sum(pool) else []


def per_file(values: list[str | None], counts: list[int]) -> pa.Array:
    """Repeat each branch's value for its files: (N,) large_string."""
    return pa.array(values, TEXT).take(pa.array(np.repeat(np.arange(len(values)), counts)))


def unclassified(branches: list[Branch], counts: list[int]) -> Faults:
    """Return the files beside class folders and in none of them."""
    if all(branch.label is None for branch in branches):
        return {}
    faults: Faults = {}
    start = 0
    for branch, count in zip(branches, counts, strict=True):
        if branch.label is None and branch.split != "unlabelled":
            faults |= dict.fromkeys(range(start, start + count), IN_NO_CLASS)
        start += count
    return faults
