"""Image files in folders: `<class>/…` or `train|val|test/<class>/…`, with `unlabelled/…` beside; or images alone."""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.formats.faults import Faults
from sprout.data.formats.splits import ALL, LEARNED, UNLABELLED
from sprout.data.formats.walk import Entry, is_folder, is_text, readable, shown, walk
from sprout.data.sources.listing import Files, Listing
from sprout.runtime.errors import UserError
from sprout.runtime.progress import track

DOCUMENTS = {".csv", ".htm", ".html", ".json", ".md", ".parquet", ".pdf", ".tsv", ".txt", ".xml", ".yaml", ".yml"}


@dataclass(frozen=True)
class Part:
    """Entries whose files have one split and one label."""

    entries: list[Entry]
    split: str | None
    label: str | None


def read(root: Path) -> Listing:
    """List a folder's files in the order of their names' bytes; hidden ones and those of file managers are left out.

    Classes are compared in Unicode's NFC; paths stay as the file system spells them. Links to folders are not followed.

    Raises:
        UserError: there are no files, a class folder is empty, or the folders are neither classes nor splits.
    """
    parts = layout(root)
    real = os.path.realpath(root)
    found = [list(walk(real, len(os.fspath(root)) + 1, part.entries)) for part in track(parts, "files", len(parts))]
    counts = [len(files) for files in found]
    check(root, parts, counts)
    files = [file for several in found for file in several]
    labels = repeated([part.label for part in parts], counts)
    splits = repeated([part.split for part in parts], counts)
    faults = {row: fault for row, (_, fault) in enumerate(files) if fault}
    nameless = labels.null_count == len(labels)
    # Where nothing has a label, "unlabelled" tells nothing apart.
    given = {part.split for part in parts} - {None} - ({"unlabelled"} if nameless else set())
    return Listing(
        # Nothing may be opened where something is wrong with the name.
        Files(root, ["" if fault else path for path, fault in files]),
        pa.array([readable(path) for path, _ in files], pa.string()),
        label=None if nameless else labels,
        split=splits if given else None,
        faults=loose(parts, counts) | faults,
    )


def layout(root: Path) -> list[Part]:
    """What the folders at the top mean."""
    top = unwrapped(root)
    folders = {entry.name: entry for entry in top if is_folder(entry)}
    learned = {name for name in folders if name.lower() in LEARNED}
    if folders and learned and all(name.lower() in ALL for name in folders):
        parts = [Part(loose_of(top), None, None)]
        for entry in folders.values():
            split = ALL[entry.name.lower()]
            parts += [Part([entry], split, None)] if split == "unlabelled" else classes(shown(entry.path), split)
        return parts
    if len(learned) > 1:
        others = ", ".join(repr(readable(name)) for name in folders if name not in learned)
        raise UserError(
            f"{root}: {', '.join(sorted(learned))} lie beside {others}, so the folders are neither splits nor classes; "
            f"accepted: classes, or splits ({', '.join(ALL)}) with the classes in them"
        )
    return classes(top, None)


def unwrapped(root: Path) -> list[Entry]:
    """The entries of the root, or of the folder that is all that it holds, as archives often have one."""
    entries = shown(os.fspath(root))
    while len(entries) == 1 and is_folder(entries[0]) and entries[0].name.lower() not in ALL:
        entries = shown(entries[0].path)
    return entries


def classes(entries: list[Entry], split: str | None) -> list[Part]:
    """A part per class folder, one for the unlabelled, and one for what lies in no folder."""
    parts = [Part(loose_of(entries), split, None)]
    for entry in filter(is_folder, entries):
        if split is None and entry.name.lower() in UNLABELLED:
            parts.append(Part([entry], "unlabelled", None))
        else:
            # A folder without a readable name is one fault, not a class.
            label = unicodedata.normalize("NFC", entry.name) if is_text(entry.name) else None
            parts.append(Part([entry], split, label))
    return parts


def loose_of(entries: list[Entry]) -> list[Entry]:
    """The files among these entries; beside folders, without documents."""
    loose = [entry for entry in entries if not is_folder(entry)]
    return loose if len(loose) == len(entries) else [entry for entry in loose if not is_document(entry.name)]


def is_document(name: str) -> bool:
    """Whether a file's name says that it describes the images beside it."""
    stem, suffix = os.path.splitext(name.lower())
    return suffix in DOCUMENTS or (not suffix and stem in ("license", "readme", "copying"))


def check(root: Path, parts: list[Part], counts: list[int]) -> None:
    """Refuse an empty folder, and a class that no split has an example of."""
    if not sum(counts):
        raise UserError(f"{root}: no files here, or hidden ones only")
    by_class: dict[str, int] = {}
    for part, count in zip(parts, counts, strict=True):
        if part.label is not None:
            by_class[part.label] = by_class.get(part.label, 0) + count
    if empty := [name for name, count in by_class.items() if not count]:
        listed = ", ".join(
            f"{name!r} {count}" for name, count in sorted(by_class.items(), key=lambda item: item[1])[:20]
        )
        raise UserError(
            f"{root}: no file in the class folder {', '.join(map(repr, empty))} ({listed}); add some or remove it"
        )


def repeated(values: list[str | None], counts: list[int]) -> pa.Array:
    """Each value as often as its part has files: (N,) string."""
    return pa.array(values, pa.string()).take(pa.array(np.repeat(np.arange(len(values)), counts)))


def loose(parts: list[Part], counts: list[int]) -> Faults:
    """The files beside class folders, in none of them."""
    if all(part.label is None for part in parts):
        return {}
    faults: Faults = {}
    start = 0
    for part, count in zip(parts, counts, strict=True):
        if part.label is None and part.split != "unlabelled":
            faults |= dict.fromkeys(range(start, start + count), "in no class folder")
        start += count
    return faults
