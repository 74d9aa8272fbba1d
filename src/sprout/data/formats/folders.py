"""Format `folders`: images in `<class>/…` or `train|val|test/<class>/…`, optionally `unlabelled/…`; or no folders."""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.formats import Folders
from sprout.data.formats.file_tree import Entry, is_folder, is_text, readable, visible_entries, walk
from sprout.data.formats.labels import LEARNED_SPLITS, SPLIT_NAMES, UNLABELLED
from sprout.data.listing import Faults, Files, Listing
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

DOCUMENTS = {".csv", ".htm", ".html", ".json", ".md", ".parquet", ".pdf", ".tsv", ".txt", ".xml", ".yaml", ".yml"}


@dataclass(frozen=True)
class Branch:
    """Folders and files that share a split and a label."""

    entries: list[Entry]
    split: str | None
    label: str | None


def read(root: Path, _scratch: Path, _settings: Folders) -> Listing:
    """List a folder's files in the order of their names' bytes, without hidden ones and those of file managers.

    Class names are compared in Unicode's NFC; paths keep the spelling of the file system. Links to folders are not
    followed.

    Raises:
        UserError: there are no files, a class folder is empty, or the folders are neither classes nor splits.
    """
    branches = find_branches(root)
    real, start = os.path.realpath(root), len(os.fspath(root)) + 1
    found = [list(walk(real, start, branch.entries)) for branch in track(branches, "files", len(branches))]
    counts = [len(files) for files in found]
    check(root, branches, counts)
    files = [file for several in found for file in several]
    labels = per_file([branch.label for branch in branches], counts)
    splits = per_file([branch.split for branch in branches], counts)
    faults = {row: fault for row, (_, fault) in enumerate(files) if fault}
    has_labels = labels.null_count < len(labels)
    # If nothing has a label, "unlabelled" makes no difference.
    has_splits = {branch.split for branch in branches} - {None} - (set() if has_labels else {"unlabelled"})
    return Listing(
        # A file with a fault must not be opened.
        Files(root, ["" if fault else path for path, fault in files]),
        pa.array([readable(path) for path, _ in files], pa.string()),
        label=labels if has_labels else None,
        split=splits if has_splits else None,
        faults=unclassified(branches, counts) | faults,
    )


def find_branches(root: Path) -> list[Branch]:
    """Return the branches of a data folder, by what the folders at its top mean.

    Raises:
        UserError: the folders are neither classes nor splits.
    """
    top = top_entries(root)
    folders = {entry.name: entry for entry in top if is_folder(entry)}
    learned = {name for name in folders if name.lower() in LEARNED_SPLITS}
    if folders and learned and all(name.lower() in SPLIT_NAMES for name in folders):
        branches = [Branch(loose_files(top), None, None)]
        for entry in folders.values():
            split = SPLIT_NAMES[entry.name.lower()]
            if split == "unlabelled":
                branches.append(Branch([entry], split, None))
            else:
                branches += class_branches(visible_entries(entry.path), split)
        return branches
    if len(learned) > 1:
        others = ", ".join(repr(readable(name)) for name in folders if name not in learned)
        raise UserError(
            f"{root}: {', '.join(sorted(learned))} lie beside {others}, so the folders are neither splits nor classes; "
            f"accepted: classes, or splits ({', '.join(SPLIT_NAMES)}) with the classes in them"
        )
    return class_branches(top, None)


def top_entries(root: Path) -> list[Entry]:
    """Return the entries of the root, or of its only folder if there is nothing else, as in many archives."""
    entries = visible_entries(os.fspath(root))
    while len(entries) == 1 and is_folder(entries[0]) and entries[0].name.lower() not in SPLIT_NAMES:
        entries = visible_entries(entries[0].path)
    return entries


def class_branches(entries: list[Entry], split: str | None) -> list[Branch]:
    """Return a branch for each class folder, for the unlabelled folder, and for files outside of folders."""
    branches = [Branch(loose_files(entries), split, None)]
    for entry in filter(is_folder, entries):
        if split is None and entry.name.lower() in UNLABELLED:
            branches.append(Branch([entry], "unlabelled", None))
        else:
            # A folder whose name is not readable is a fault, not a class.
            label = unicodedata.normalize("NFC", entry.name) if is_text(entry.name) else None
            branches.append(Branch([entry], split, label))
    return branches


def loose_files(entries: list[Entry]) -> list[Entry]:
    """Return the files among these entries; documents are left out if there are folders."""
    loose = [entry for entry in entries if not is_folder(entry)]
    return loose if len(loose) == len(entries) else [entry for entry in loose if not is_document(entry.name)]


def is_document(name: str) -> bool:
    """Whether a file describes the images beside it, judging by its name."""
    stem, suffix = os.path.splitext(name.lower())
    return suffix in DOCUMENTS or (not suffix and stem in ("license", "readme", "copying"))


def check(root: Path, branches: list[Branch], counts: list[int]) -> None:
    """Check that there are files, and that every class has some.

    Raises:
        UserError: there are none.
    """
    if not sum(counts):
        raise UserError(f"{root}: no files here, or only hidden ones")
    by_class: dict[str, int] = {}
    for branch, count in zip(branches, counts, strict=True):
        if branch.label is not None:
            by_class[branch.label] = by_class.get(branch.label, 0) + count
    if empty := [name for name, count in by_class.items() if not count]:
        listed = ", ".join(
            f"{name!r} {count}" for name, count in sorted(by_class.items(), key=lambda item: item[1])[:20]
        )
        raise UserError(
            f"{root}: no files in the class folder {', '.join(map(repr, empty))} ({listed}); add some or remove it"
        )


def per_file(values: list[str | None], counts: list[int]) -> pa.Array:
    """Repeat each branch's value for its files: (N,) string."""
    return pa.array(values, pa.string()).take(pa.array(np.repeat(np.arange(len(values)), counts)))


def unclassified(branches: list[Branch], counts: list[int]) -> Faults:
    """Return the files beside class folders and in none of them."""
    if all(branch.label is None for branch in branches):
        return {}
    faults: Faults = {}
    start = 0
    for branch, count in zip(branches, counts, strict=True):
        if branch.label is None and branch.split != "unlabelled":
            faults |= dict.fromkeys(range(start, start + count), "in no class folder")
        start += count
    return faults
