"""What the folders of a data set mean: classes, splits, parts of it, or documents."""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from sprout.data.formats.file_tree import Entry, is_folder, is_text, visible_entries
from sprout.data.formats.folder_contents import (
    are_classes,
    are_initials,
    contents,
    has_files,
    inner_notes,
    innermost,
    loose_files,
    outer_note,
    quoted,
    refuse_inner_splits,
    refuse_other_meanings,
    refuse_some_splits,
    subfolders,
    top_entries,
    unwrapped,
)
from sprout.data.formats.folder_names import are_parts, are_targets, hold_targets, split_of, splits_of
from sprout.runtime.errors import UserError


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


def find_layout(root: Path) -> Layout:
    """Return what the folders of a data set mean.

    Raises:
        UserError: they are neither classes nor splits, or splits without classes.
    """
    notes: list[str] = []
    top = unwrapped(top_entries(root))
    branches = [each for each in branches_of(root, top, None, notes) if each.entries]
    # Without a class, several branches are splits or parts.
    splits = {each.split for each in branches}
    several = sum(each.split != "unlabelled" for each in branches) > 1 or len(splits - {None}) > 1
    if all(each.label is None for each in branches) and several:
        raise UserError(
            f"{root}: images lie in {quoted(entry.name for entry in top if is_folder(entry))}, and no folder in there "
            "names a class; move the images of each class to a folder of its own in them, write a table "
            "path,label,split, or, if the names of the images tell their classes, say how by --pattern, such as "
            "--pattern '{label}.*.jpg'. To learn without labels, put all images into one folder"
        )
    refuse_other_classes(root, branches)
    entries = visible_entries(os.fspath(root))
    only = [entry.name for entry in entries if is_folder(entry)]
    if len(only) == 1 and not loose_files(entries) and all(each.label is None for each in branches):
        notes.append(f"the only folder, {only[0]!r}, is no class, as a classifier needs two; the images have no label")
    return with_pool(Layout(branches, notes))


def refuse_other_classes(root: Path, branches: list[Branch]) -> None:
    """Refuse splits whose folders have no name in common: they are patients or the like, not classes.

    Raises:
        UserError: there are some.
    """
    by_split: dict[str, set[str]] = {}
    for branch in branches:
        if branch.label is not None and branch.split is not None:
            by_split.setdefault(branch.split, set()).add(branch.label.casefold())
    train = by_split.get("train", set())
    for split, labels in by_split.items():
        if min(len(train), len(labels)) > 1 and train.isdisjoint(labels):
            raise UserError(
                f"{root}: the folders of {split}, such as {quoted(labels)}, are others than those of train, such as "
                f"{quoted(train)}, so they are not classes; if a table has the labels, name it by its path"
            )


def has_classes(root: Path) -> bool:
    """Whether the folders of a data set name classes.

    Raises:
        UserError: they are neither classes nor splits.
    """
    return any(branch.label is not None for branch in branches_of(root, unwrapped(top_entries(root)), None, []))


def branches_of(root: Path, entries: list[Entry], split: str | None, notes: list[str]) -> list[Branch]:
    """Return the branches of a folder with these entries, which is in this split; None is not known yet."""
    folders = {entry.name: entry for entry in entries if is_folder(entry)}
    loose = Branch(loose_files(entries), split, None)
    splits = splits_of(folders)
    if splits and split is not None:
        # Within a split, only what is labelled and what is not may be told apart.
        nested = {name: split if each == "train" else each for name, each in splits.items()}
        splits = nested if set(splits.values()) == {"train", "unlabelled"} else None
    if splits:
        return [loose, *(each for name in folders for each in of_split(root, folders[name], splits[name], notes))]
    if are_parts(folders):
        insides = [unwrapped(contents(folder.path), in_split=True) for folder in folders.values()]
        return [loose, *(each for inside in insides for each in branches_of(root, inside, split, notes))]
    refuse_other_meanings(root, folders, split)
    return branches_of_classes(root, entries, split, notes) if folders else [loose]


def branches_of_classes(root: Path, entries: list[Entry], split: str | None, notes: list[str]) -> list[Branch]:
    """Return the branches of a folder whose folders are classes, or hold the classes; as `branches_of`."""
    folders = {entry.name: entry for entry in entries if is_folder(entry)}
    loose = Branch(loose_files(entries), split, None)
    paths = {name: innermost(folder.path) for name, folder in folders.items()}
    inside = {name: subfolders(path) for name, path in paths.items()}
    refuse_inner_splits(root, inside)
    refuse_some_splits(root, inside)
    names = Counter(entry.name for inner in inside.values() for entry in inner)
    if hold_targets(names):
        return [loose, *(without_targets(folders[name], inside[name], split, notes) for name in folders)]
    if len(folders) > 1 and not any(has_files(paths[name], inner) for name, inner in inside.items()):
        splits = splits_of(names) if split is None and min(names.values()) == len(folders) else None
        if splits:
            return [loose, *(each for folder in folders.values() for each in of_class(folder, splits))]
        if are_classes(names) or are_initials(inside):
            notes += [] if are_initials(inside) else [outer_note(folders, names)]
            return [loose, *(each for path in paths.values() for each in class_branches(contents(path), split))]
    notes += inner_notes(inside)
    return class_branches(entries, split)


def of_split(root: Path, folder: Entry, split: str, notes: list[str]) -> list[Branch]:
    """Return the branches of a folder that is a split."""
    if split == "unlabelled":
        return [Branch([folder], split, None)]
    return branches_of(root, unwrapped(contents(folder.path), in_split=True), split, notes)


def of_class(folder: Entry, splits: dict[str, str]) -> list[Branch]:
    """Return the branches of a class folder that holds splits."""
    entries, label = contents(folder.path), class_of(folder)
    inside = [Branch([entry], splits[entry.name], label) for entry in entries if is_folder(entry)]
    return [Branch(loose_files(entries), None, label), *inside]


def without_targets(folder: Entry, inside: list[Entry], split: str | None, notes: list[str]) -> Branch:
    """Return the branch of a class folder that holds images and their masks or the like, without the latter."""
    targets = [entry.name for entry in inside if are_targets(entry.name)]
    note = f"{quoted(targets)} in the class folders: not read, as only classes are learned"
    notes += [note] if targets and note not in notes else []
    return Branch([entry for entry in contents(folder.path) if entry.name not in targets], split, class_of(folder))


def class_branches(entries: list[Entry], split: str | None) -> list[Branch]:
    """Return a branch for each class folder, for the unlabelled folder, and for files outside of folders."""
    branches = [Branch(loose_files(entries), split, None)]
    for entry in filter(is_folder, entries):
        if split in (None, "train") and split_of(entry.name) == "unlabelled":
            branches.append(Branch([entry], "unlabelled", None))
        else:
            branches.append(Branch([entry], split, class_of(entry)))
    return branches


def class_of(folder: Entry) -> str | None:
    """Return the class that a folder names; one whose name is not readable is a fault, not a class."""
    return unicodedata.normalize("NFC", folder.name) if is_text(folder.name) else None


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
