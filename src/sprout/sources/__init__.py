"""Where data comes from: each source fetches its files into `data/raw` and reads them from there."""

from pathlib import Path
from typing import Any

from sprout.sources import digits
from sprout.sources.raw import Raw

# Only torchvision's own sets import torchvision: it takes seconds.


def fetch(folder: Path, *, source: str, **options: Any) -> None:
    """Bring the files of a source to `folder`; `options` are the section's further keys."""
    if source == "torchvision":
        from sprout.sources import torchvision_sets

        torchvision_sets.fetch(folder, **options)
    else:
        digits.fetch(folder)


def read(folder: Path, *, source: str, **options: Any) -> Raw:
    """Read what `fetch` has brought."""
    if source == "torchvision":
        from sprout.sources import torchvision_sets

        return torchvision_sets.read(folder, options["name"])
    return digits.read(folder)
