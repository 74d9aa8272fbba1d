"""Where data comes from: each source fetches its files into `data/raw`, and lists them from there."""

from pathlib import Path
from typing import Any

from sprout.data.sources.listing import Listing

# Each source is imported where it is used: torchvision's takes seconds.


def fetch(folder: Path, parts: Path, *, source: str, **options: Any) -> None:
    """Bring the files of a source to `folder`.

    Args:
        folder: an empty folder.
        parts: where a file lies until it is whole, so that a killed attempt goes on.
        source: which one.
        options: the section's further keys.
    """
    if source == "torchvision":
        from sprout.data.sources import torchvision_sets

        torchvision_sets.fetch(folder, parts, **options)
    elif source == "sklearn":
        from sprout.data.sources import sklearn_sets

        sklearn_sets.fetch(folder, **options)
    elif source == "generated":
        from sprout.data.sources import generated

        generated.fetch(folder, **options)
    elif source == "url":
        from sprout.data.sources import url

        url.fetch(folder, parts, urls=options["urls"], sha256=options["sha256"], file=options["file"])
    else:
        from sprout.data.sources import local

        # Files of one's own stay where they are: a copy of each build would be the data's size.
        local.folder_of(options["name"])


def read(folder: Path, scratch: Path, *, source: str, **options: Any) -> Listing:
    """List what `fetch` has brought.

    Args:
        folder: where to.
        scratch: a folder for what is not kept.
        source: which one.
        options: the section's further keys.
    """
    if source == "torchvision":
        from sprout.data.sources import torchvision_sets

        return torchvision_sets.read(folder, name=options["name"])
    if source == "sklearn":
        from sprout.data.sources import sklearn_sets

        return sklearn_sets.read(folder, name=options["name"])
    if source == "generated":
        from sprout.data.sources import generated

        return generated.read(folder, name=options["name"])
    from sprout.data.sources import local
    from sprout.data.sources.files import read_files

    return read_files(folder if source == "url" else local.folder_of(options["name"]), scratch, **options["form"])
