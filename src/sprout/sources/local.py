"""Files of your own, in a folder of `data/source/`."""

import os
from pathlib import Path

from sprout.core.errors import UserError

SOURCE = Path("data/source")


def folder_of(name: str) -> Path:
    """Where the files of this name lie.

    Raises:
        UserError: there are none.
    """
    folder = SOURCE / name
    if not os.path.isdir(folder):
        there = sorted(path.name for path in SOURCE.glob("*/") if ".tmp-" not in path.name)
        raise UserError(
            f"download.name={name}: no folder {folder}; there are: {', '.join(there) or 'none'}; "
            f"`sprout new {name} --from PATH` brings your files there"
        )
    return folder
