"""Format `names`: images whose names tell their classes, such as `Abyssinian_1.jpg` and `cat.0.jpg`."""

import os
import re
import unicodedata
from pathlib import Path

import pyarrow as pa

from sprout.config.formats import Names
from sprout.data.formats.file_tree import is_document, is_text, readable, visible_entries, walk
from sprout.data.formats.folder_names import split_of, split_of_path
from sprout.data.formats.labels import class_names, with_secret_splits, with_unlabelled
from sprout.data.listing import Faults, Files, Listing, merge_faults
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
    files = [(path, fault) for path, fault in found if not is_document(os.path.basename(path))]
    paths = [path for path, _ in files]
    expression = compiled(settings.pattern)
    matches = [expression.fullmatch(unicodedata.normalize("NFC", path)) for path in paths]
    others = [readable(path) for path, match in zip(paths, matches, strict=True) if match is None]
    if len(others) == len(paths):
        raise UserError(
            f"{root}: no image is named like {settings.pattern!r} (download.format.pattern); there are: "
            f"{listed(others) or 'none'}; {{label}} stands for the label, * for any text: '{{label}}_*.jpg'"
        )
    labels, given, groups = (
        pa.array([text_at(match, name) for match in matches], pa.string()) for name in ("label", "split", "group")
    )
    splits, split_faults = splits_of(paths, given)
    splits, notes = with_secret_splits(splits, labels)
    known, unknown = class_names(labels, settings.classes)
    faults = {row: fault for row, (_, fault) in enumerate(files) if fault}
    return Listing(
        Files(root, ["" if fault else path for path, fault in files]),
        pa.array(map(readable, paths), pa.string()),
        label=known,
        split=with_unlabelled(splits, labels),
        group=groups if "{group}" in settings.pattern else None,
        classes=None if settings.classes is None else list(settings.classes),
        faults=merge_faults(unknown, split_faults, faults),
        notes=[*notes, *others_notes(others)],
    )


def others_notes(others: list[str]) -> list[str]:
    """Return how many files do not match, and what becomes of them."""
    return [f"{len(others):,} files are not named so, such as {others[0]}: they have no label"] if others else []


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


def splits_of(paths: list[str], given: pa.Array) -> tuple[pa.Array, Faults]:
    """Return the split of each image, (N,) string, null where it is to be drawn; and the faults.

    Args:
        paths: of the images.
        given: (N,) string: what stands in place of `{split}`.
    """
    texts = given.to_pylist()
    splits = [split_of_path(path) if text is None else split_of(text) for path, text in zip(paths, texts, strict=True)]
    faults = {
        row: f"split {text!r} is not known; accepted: train, val, test and the like"
        for row, (text, split) in enumerate(zip(texts, splits, strict=True))
        if text is not None and split is None
    }
    return pa.array(splits, pa.string()), faults


def likely_pattern(paths: list[str]) -> str | None:
    """Return a pattern for images whose names are a class and a number; None if they are not."""
    stems = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    matches = [match for stem in stems if (match := re.fullmatch(r"(.*[^\W\d_].*)([ ._-])\(?\d+\)?", stem))]
    labels, separators = ({match[group] for match in matches} for group in (1, 2))
    if len(separators) != 1 or 10 * len(matches) < 9 * len(paths) or not 2 <= len(labels) <= len(paths) // 2:
        return None
    return f"{{label}}{separators.pop()}*.*"
