"""Format `folders`: images in `<class>/…` or `train|val|test/<class>/…`, optionally `unlabelled/…`; or no folders."""

import os
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.config.formats import Folders
from sprout.data.formats.file_tree import Entry, is_document, is_folder, is_text, readable, visible_entries, walk
from sprout.data.formats.folder_names import (
    are_parts,
    hold_targets,
    says_nothing,
    split_of,
    splits_among,
    splits_of,
)
from sprout.data.listing import Faults, Files, Listing
from sprout.runtime.errors import UserError, listed
from sprout.runtime.progress import track

IN_NO_CLASS = "in no class folder; move it to one, or to `unlabelled`"


@dataclass(frozen=True)
class Branch:
    """Folders and files that share a split and a label."""

    entries: list[Entry]
    split: str | None
    label: str | None


@dataclass(frozen=True)
class Layout:
    """What the folders of a data set mean."""

    branches: list[Branch]
    notes: list[str] = field(default_factory=list)
    """What could have been meant differently, for the user."""


def read(root: Path, _scratch: Path, _settings: Folders) -> Listing:
    """List a folder's files in the order of their names' bytes, without hidden ones and those of file managers.

    Class names are compared in Unicode's NFC; paths keep the spelling of the file system. Links to folders are not
    followed.

    Raises:
        UserError: there are no files, a class folder is empty, or the folders are neither classes nor splits.
    """
    layout = find_layout(root)
    branches = layout.branches
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
        pa.array([readable(path) for path, _ in files], pa.large_string()),  # paths may be more than 2 GiB of text
        label=labels if has_labels else None,
        split=splits if has_splits else None,
        faults=unclassified(branches, counts) | faults,
        notes=layout.notes,
    )


def find_layout(root: Path) -> Layout:
    """Return what the folders of a data set mean.

    Raises:
        UserError: they are neither classes nor splits, or splits without classes.
    """
    present = top_entries(root)
    about = [entry for entry in present if is_folder(entry) and holds_documents(entry)]
    notes = [f"folder {readable(entry.name)!r} is left out: it holds nothing but documents" for entry in about]
    top = unwrapped([entry for entry in present if entry not in about])
    branches = [each for each in branches_of(root, top, None, notes) if each.entries]
    # Without a class, several branches are splits or parts.
    if all(each.label is None for each in branches) and sum(each.split != "unlabelled" for each in branches) > 1:
        raise UserError(
            f"{root}: images lie in {quoted(entry.name for entry in top if is_folder(entry))}, and no folder in there "
            "names a class; move the images of each class to a folder of its own in them, write a table "
            "path,label,split, or, if the names of the images tell their classes, say how by --pattern, such as "
            "--pattern '{label}.*.jpg'. To learn without labels, put all images into one folder"
        )
    entries = visible_entries(os.fspath(root))
    only = [entry.name for entry in entries if is_folder(entry)]
    if len(only) == 1 and not loose_files(entries) and all(each.label is None for each in branches):
        notes.append(f"the only folder, {only[0]!r}, is no class, as a classifier needs two; the images have no label")
    return with_pool(Layout(branches, notes))


def has_classes(root: Path) -> bool:
    """Whether the folders of a data set name classes.

    Raises:
        UserError: they are neither classes nor splits.
    """
    top = [entry for entry in top_entries(root) if not (is_folder(entry) and holds_documents(entry))]
    return any(branch.label is not None for branch in branches_of(root, unwrapped(top), None, []))


def branches_of(root: Path, entries: list[Entry], split: str | None, notes: list[str]) -> list[Branch]:
    """Return the branches of a folder with these entries, which is in this split; None is not known yet."""
    folders = {entry.name: entry for entry in entries if is_folder(entry)}
    loose = Branch(loose_files(entries), split, None)
    splits = splits_of(folders) if split is None else None
    if splits:
        return [loose, *(each for name in folders for each in of_split(root, folders[name], splits[name], notes))]
    if are_parts(folders):
        insides = [visible_entries(folder.path) for folder in folders.values()]
        return [loose, *(each for inside in insides for each in branches_of(root, inside, split, notes))]
    refuse_other_meanings(root, folders, split)
    inner = same_subfolders(list(folders.values()))
    if inner is None:
        return class_branches(entries, split)
    if split is None and (splits := splits_of(inner)):
        return [loose, *(each for folder in folders.values() for each in of_class(folder, splits))]
    notes.append(f"folders {quoted(folders)} all hold the folders {quoted(inner)}, which are taken as the classes")
    insides = [visible_entries(folder.path) for folder in folders.values()]
    return [loose, *(each for inside in insides for each in class_branches(inside, split))]


def of_split(root: Path, folder: Entry, split: str, notes: list[str]) -> list[Branch]:
    """Return the branches of a folder that is a split."""
    if split == "unlabelled":
        return [Branch([folder], split, None)]
    return branches_of(root, unwrapped(visible_entries(folder.path), in_split=True), split, notes)


def of_class(folder: Entry, splits: dict[str, str]) -> list[Branch]:
    """Return the branches of a class folder that holds splits."""
    entries, label = visible_entries(folder.path), class_of(folder)
    inside = [Branch([entry], splits[entry.name], label) for entry in entries if is_folder(entry)]
    return [Branch(loose_files(entries), None, label), *inside]


def refuse_other_meanings(root: Path, names: Collection[str], split: str | None) -> None:
    """Refuse folders that would be taken as classes and are evidently something else.

    Raises:
        UserError: splits lie beside other folders, or images beside their masks.
    """
    learned = splits_among(names) if split is None else []
    if len(learned) > 1:
        raise UserError(
            f"{root}: {quoted(learned)} lie beside {quoted(set(names) - set(learned))}, so the folders are neither "
            "splits nor classes; accepted: classes, or splits such as train, val and test with the classes in them, "
            "and `unlabelled` for images without one"
        )
    if hold_targets(names):
        raise UserError(
            f"{root}: {quoted(names)} are images and what belongs to each of them, not classes; accepted: a folder for "
            "each class, as classification is what is learned here"
        )


def same_subfolders(folders: list[Entry]) -> list[str] | None:
    """Return the folders that lie in each of several folders, if these are the same, two at least, and hold all."""
    if len(folders) < 2:
        return None
    found: list[str] = []
    for number, folder in enumerate(folders):
        entries = visible_entries(folder.path)
        names = [entry.name for entry in entries if is_folder(entry)]
        if len(names) < 2 or loose_files(entries) or (number and names != found):
            return None
        found = names
    return found


def quoted(names: Iterable[str]) -> str:
    """Return some of these names, readable."""
    return listed([repr(readable(name)) for name in sorted(names)])


def unwrapped(entries: list[Entry], *, in_split: bool = False) -> list[Entry]:
    """Return the entries of the only folder among these, if there is nothing beside it but documents.

    In a split an only folder may be an only class, unless its name says that it is not.
    """
    folders = [entry for entry in entries if is_folder(entry)]
    if len(folders) != 1 or loose_files(entries):
        return entries
    name = folders[0].name
    wraps = says_nothing(name) if in_split else split_of(name) is None
    return unwrapped(visible_entries(folders[0].path), in_split=in_split) if wraps else entries


def top_entries(root: Path) -> list[Entry]:
    """Return the entries of the root, or of its only folder if there is nothing else, as in many archives."""
    entries = visible_entries(os.fspath(root))
    while len(entries) == 1 and is_folder(entries[0]) and split_of(entries[0].name) is None:
        entries = visible_entries(entries[0].path)
    return entries


def holds_documents(folder: Entry) -> bool:
    """Whether there is something in a folder, and nothing but documents, such as lists of the images elsewhere."""
    with os.scandir(folder.path) as inside:
        first = next(inside, None)
        return first is not None and all(
            entry.is_file(follow_symlinks=False) and is_document(entry.name) for entry in chain([first], inside)
        )


def class_branches(entries: list[Entry], split: str | None) -> list[Branch]:
    """Return a branch for each class folder, for the unlabelled folder, and for files outside of folders."""
    branches = [Branch(loose_files(entries), split, None)]
    for entry in filter(is_folder, entries):
        if split is None and split_of(entry.name) == "unlabelled":
            branches.append(Branch([entry], "unlabelled", None))
        else:
            branches.append(Branch([entry], split, class_of(entry)))
    return branches


def class_of(folder: Entry) -> str | None:
    """Return the class that a folder names; one whose name is not readable is a fault, not a class."""
    return unicodedata.normalize("NFC", folder.name) if is_text(folder.name) else None


def loose_files(entries: list[Entry]) -> list[Entry]:
    """Return the files among these entries; documents are left out if there are folders."""
    loose = [entry for entry in entries if not is_folder(entry)]
    return loose if len(loose) == len(entries) else [entry for entry in loose if not is_document(entry.name)]


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
        counted = ", ".join(
            f"{name!r} {count}" for name, count in sorted(by_class.items(), key=lambda item: item[1])[:20]
        )
        raise UserError(
            f"{root}: no files in the class folder {', '.join(map(repr, empty))} ({counted}); add some or remove it"
        )


def with_pool(layout: Layout) -> Layout:
    """Make images without a class the unlabelled pool, where they are all that val or test has, and train has classes.

    Such is the test split of a competition, whose labels are secret.
    """
    labelled = {branch.split for branch in layout.branches if branch.label is not None}
    secret = {branch.split for branch in layout.branches if branch.label is None} & {"val", "test"} - labelled
    if not secret or "train" not in labelled:
        return layout
    branches = [
        replace(each, split="unlabelled") if each.split in secret and each.label is None else each
        for each in layout.branches
    ]
    notes = [
        f"{split}: its images are in no class folder; they become the unlabelled images that are learned from as well"
        for split in sorted(map(str, secret))
    ]
    return Layout(branches, [*layout.notes, *notes])


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
            faults |= dict.fromkeys(range(start, start + count), IN_NO_CLASS)
        start += count
    return faults
