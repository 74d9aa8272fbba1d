"""The entries of a data set's folders, and what they cannot mean: splits beside others, images beside their masks."""

import os
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from sprout.data.formats.file_tree import (
    Entry,
    holds_documents_alone,
    is_document,
    is_folder,
    readable,
    unsorted_entries,
    visible_entries,
)
from sprout.data.formats.folder_names import hold_targets, says_nothing, split_of, splits_among, tells_apart
from sprout.runtime.errors import UserError, listed


def contents(folder: str) -> list[Entry]:
    """Return the entries of a folder without the folders that hold only documents."""
    entries = visible_entries(folder)
    folders = {entry.name: entry for entry in entries if is_folder(entry)}
    documents = {name for name, entry in folders.items() if holds_documents_alone(entry.path)}
    # The boxes of images in YOLO's format are texts: without them, the images would be learned from for nothing.
    if hold_targets(folders) and not any(subfolders(folders[name].path) for name in set(folders) - documents):
        return entries
    return [entry for entry in entries if entry.name not in documents]


def subfolders(folder: str) -> list[Entry]:
    """Return the folders in a folder, in the order of their names' bytes."""
    found = [entry for entry in unsorted_entries(folder) if is_folder(entry)]
    return sorted(found, key=lambda entry: os.fsencode(entry.name))


def innermost(folder: str) -> str:
    """Return the folder in a folder that lies alone and says nothing, such as `images`, at any depth; else itself."""
    inside = subfolders(folder)
    wraps = len(inside) == 1 and says_nothing(inside[0].name) and not has_files(folder, inside)
    return innermost(inside[0].path) if wraps and subfolders(inside[0].path) else folder


def has_files(folder: str, inside: list[Entry]) -> bool:
    """Whether a folder has other files than documents, or none of these folders."""
    return not inside or any(not is_folder(entry) and not is_document(entry.name) for entry in unsorted_entries(folder))


def unwrapped(entries: list[Entry], *, in_split: bool = False) -> list[Entry]:
    """Return the entries of the only folder among these, if there is nothing beside it but documents.

    In a split an only folder may be an only class, unless its name says that it is not, or is that of the split.
    """
    folders = [entry for entry in entries if is_folder(entry)]
    if len(folders) != 1 or loose_files(entries):
        return entries
    name = folders[0].name
    above = os.path.basename(os.path.dirname(folders[0].path))
    wraps = (name == above or says_nothing(name)) if in_split else split_of(name) is None
    return unwrapped(contents(folders[0].path), in_split=in_split) if wraps else entries


def top_entries(root: Path) -> list[Entry]:
    """Return the entries of the root, or of its only folder if there is nothing else, as in many archives."""
    entries = contents(os.fspath(root))
    while len(entries) == 1 and is_folder(entries[0]) and split_of(entries[0].name) is None:
        entries = contents(entries[0].path)
    return entries


def loose_files(entries: list[Entry]) -> list[Entry]:
    """Return the files among these entries; documents are left out if there are folders."""
    loose = [entry for entry in entries if not is_folder(entry)]
    return loose if len(loose) == len(entries) else [entry for entry in loose if not is_document(entry.name)]


def are_classes(names: Counter[str]) -> bool:
    """Whether the names of folders that lie in several others are classes.

    Args:
        names: name → how many folders have such a folder.
    """
    told = [name for name in names if tells_apart(name)]
    repeated = [name for name in told if names[name] > 1]
    return len(told) > 1 and 2 * len(repeated) > len(told)


def are_initials(inside: dict[str, list[Entry]]) -> bool:
    """Whether folders are the first letters of those in them, as in a dictionary: a/abbey, b/bar."""
    return all(
        len(name) == 1 and inner and all(entry.name[0].lower() == name.lower() for entry in inner)
        for name, inner in inside.items()
    )


def outer_note(outer: Collection[str], inner: Collection[str]) -> str:
    """Return which of the folders in each other are taken as the classes, and how to take them otherwise."""
    return (
        f"folders {quoted(outer)} hold the same folders, such as {quoted(inner)}, which are taken as the classes. If "
        "the outer ones are the classes: --pattern '{label}/*/*'. If they are patients, places or the like, whose "
        "images belong into one split: --pattern '{group}/{label}/*'. If they are versions of the same images, name "
        "one of them"
    )


def inner_notes(inside: dict[str, list[Entry]]) -> list[str]:
    """Return that there are folders in class folders, and how to take them as the classes, if they may be meant."""
    for name, entries in inside.items():
        told = [entry.name for entry in entries if tells_apart(entry.name)]
        if told:
            example = readable(f"{name}/{told[0]}")
            return [
                f"folders within the classes, such as {example!r}, are joined; to learn them: --pattern '{{label}}/*'"
            ]
    return []


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
            "and `unlabelled` for images without one; move the others elsewhere"
        )
    if hold_targets(names):
        raise UserError(
            f"{root}: {quoted(names)} are images and what belongs to each of them, not classes; accepted: a folder for "
            "each class, as classification is what is learned here"
        )


def refuse_inner_splits(root: Path, inside: dict[str, list[Entry]]) -> None:
    """Refuse folders of which only some hold splits: these are data sets of their own.

    Args:
        root: the data folder.
        inside: folder → those in it.

    Raises:
        UserError: there are some.
    """
    held = {name: splits_among(entry.name for entry in unwrapped(entries)) for name, entries in inside.items()}
    whole = [name for name, splits in held.items() if len(splits) > 1]
    if whole and len(whole) < len(held):
        raise UserError(
            f"{root}: {whole[0]!r} holds {quoted(held[whole[0]])}, and {quoted(set(held) - set(whole))} no splits, so "
            f"the folders are not classes; name the one to learn from"
        )


def refuse_some_splits(root: Path, inside: dict[str, list[Entry]]) -> None:
    """Refuse folders of which some are splits that hold classes, and others are not known.

    Args:
        root: the data folder.
        inside: folder → those in it.

    Raises:
        UserError: there are some.
    """
    learned = [name for name in splits_among(inside) if sum(tells_apart(entry.name) for entry in inside[name]) > 1]
    if learned:
        raise UserError(
            f"{root}: {quoted(learned)} holds classes, and {quoted(set(inside) - set(learned))} is no split that is "
            "known; rename the folders to train, val and test, or name the one to learn from"
        )


def quoted(names: Iterable[str]) -> str:
    """Return some of these names, readable."""
    return listed([repr(readable(name)) for name in sorted(names)])
