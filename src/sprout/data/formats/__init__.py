"""The forms in which data lies in a folder; each becomes a `Listing`, without an image being decoded."""

from pathlib import Path
from typing import Any

from sprout.data.sources.listing import Listing

# Each form is imported where it is used, and by its name: a stage's dependencies are read from the imports.


def read_form(root: Path, scratch: Path, *, kind: str, **options: Any) -> Listing:
    """List the examples of a folder.

    Args:
        root: where the files lie, as they came.
        scratch: an empty folder for arrays, which the listing needs as long as it is used.
        kind: the form: folders, paths, pixels, arrays or table.
        options: the form's further settings, see `settings.forms`.

    Raises:
        UserError: the data is not in this form. What is wrong with single examples is in the listing's `faults`.
    """
    if kind == "folders":
        from sprout.data.formats import folders

        return folders.read(root)
    if kind == "paths":
        from sprout.data.formats import paths

        return paths.read(root, **options)
    if kind == "pixels":
        from sprout.data.formats import pixels

        return pixels.read(root, scratch, **options)
    if kind == "arrays":
        from sprout.data.formats import arrays

        return arrays.read(root, scratch, **options)
    from sprout.data.formats import table

    return table.read(root, scratch, **options)
