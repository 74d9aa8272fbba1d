"""Format `names`: images whose names tell their classes, such as `Abyssinian_1.jpg` and `cat.0.jpg`."""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sprout.config.formats import Names
from sprout.data.formats.file_tree import is_document, is_text, readable, visible_entries, walk
from sprout.data.formats.folder_names import split_of, split_of_path
from sprout.data.formats.labels import class_names, with_secret_splits, with_unlabelled
from sprout.data.listing import Faults, Files, Listing, Texts, merge_faults, texts, values_of, without_faulty
from sprout.runtime.errors import UserError, listed

PLACES = re.compile(r"(\{label\}|\{split\}|\{group\}|\*)")
"""What stands for text of any kind in a pattern."""


def read(root: Path, _scratch: Path, settings: Names) -> Listing:
    """List the images of a folder, in the order of their names' bytes; those that do not match are unlabelled.

    Args:
        root: the data folder.
        settings: the pattern.

    Raises:
        UserError: no image matches the pattern.
    """
    real = os.path.realpath(root)
    found = walk(real, len(real.rstrip("/")) + 1, visible_entries(real))
    named = read_names(found, compiled(settings.pattern))
    others = named.paths.filter(named.others)
    if len(others) == len(named.paths):
        raise UserError(
            f"{root}: no image is named like {settings.pattern!r} (download.format.pattern); there are: "
            f"{listed(others.to_pylist()) or 'none'}; {{label}} stands for the label, * for any text: '{{label}}_*.jpg'"
        )
    labels, faults = named.labels, named.faults
    splits, split_faults = splits_of(named.paths, named.splits)
    splits, notes = with_secret_splits(splits, labels)
    known, unknown = class_names(labels, settings.classes)
    return Listing(
        Files(root, without_faulty(named.paths, faults)),
        named.paths,
        label=known,
        split=with_unlabelled(splits, labels),
        group=named.groups if "{group}" in settings.pattern else None,
        classes=None if settings.classes is None else list(settings.classes),
        faults=merge_faults(unknown, split_faults, faults),
        notes=[*notes, *others_notes(others)],
    )


class Named(NamedTuple):
    """N images. Arrays are (N,) large_string unless they say otherwise."""

    paths: pa.Array
    """Relative to the data folder, readable."""
    labels: pa.Array
    """What stands in place of `{label}`; null where nothing does, also in the following."""
    splits: pa.Array
    groups: pa.Array
    others: pa.Array
    """(N,) bool: whether the pattern does not match."""
    faults: Faults


def read_names(found: Iterator[tuple[str, str | None]], expression: re.Pattern[str]) -> Named:
    """Return what the names of files say.

    Args:
        found: files and their faults; documents are none of the images.
        expression: that their paths match.
    """
    paths, fields, others, faults = Texts(), [Texts(), Texts(), Texts()], bytearray(), dict[int, str]()
    for path, fault in found:
        if is_document(os.path.basename(path)):
            continue
        if fault:
            faults[len(others)] = fault
        match = expression.fullmatch(unicodedata.normalize("NFC", path))
        paths.append(readable(path))
        for column, name in zip(fields, ("label", "split", "group"), strict=True):
            column.append(text_at(match, name))
        others.append(match is None)
    labels, splits, groups = (column.end() for column in fields)
    return Named(paths.end(), labels, splits, groups, pa.array(np.frombuffer(others, bool)), faults)


def others_notes(others: pa.Array) -> list[str]:
    """Return how many files do not match, and what becomes of them."""
    return [f"{len(others):,} files are not named so, such as {others[0]}: they have no label"] if len(others) else []


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression that the path of an image must match in full."""
    parts = [
        "[^/]*" if part == "*" else f"(?P<{part[1:-1]}>[^/]+)" if PLACES.fullmatch(part) else re.escape(part)
        for part in PLACES.split(unicodedata.normalize("NFC", pattern))
    ]
    return re.compile(f"(?:.*/)?{''.join(parts)}", re.DOTALL | re.IGNORECASE)


def text_at(match: re.Match[str] | None, name: str) -> str | None:
    """Return what stands in place of a field, None where there is no such field or match, or no UTF-8."""
    return match[name] if match and name in match.re.groupindex and is_text(match[name]) else None


def splits_of(paths: pa.Array, given: pa.Array) -> tuple[pa.Array, Faults]:
    """Return the split of each image, (N,) large_string, null where it is to be drawn; and the faults.

    Args:
        paths: of the images, readable.
        given: (N,) large_string: what stands in place of `{split}`.
    """
    both = zip(values_of(paths), values_of(given), strict=True)
    splits = texts(split_of_path(path) if text is None else split_of(text) for path, text in both)
    unknown = np.flatnonzero(np.asarray(given.is_valid()) & np.asarray(splits.is_null()))
    faults = {
        row: f"split {given[row].as_py()!r} is not known; accepted: train, val, test and the like"
        for row in unknown.tolist()
    }
    return splits, faults


def likely_pattern(paths: list[str]) -> str | None:
    """Return a pattern for images whose names are a class and a number; None if they are not."""
    stems = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    matches = [match for stem in stems if (match := re.fullmatch(r"(.*[^\W\d_].*)([ ._-])\(?\d+\)?", stem))]
    labels, separators = ({match[group] for match in matches} for group in (1, 2))
    if len(separators) != 1 or 10 * len(matches) < 9 * len(paths) or not 2 <= len(labels) <= len(paths) // 2:
        return None
    return f"{{label}}{separators.pop()}*.*"
