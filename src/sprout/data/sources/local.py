"""Files of your own, in a folder of `data/source/`."""

import os
from pathlib import Path

from sprout.runtime.errors import UserError

SOURCE = Path("data/source")


def folder_of(name: str) -> Path:
    """Where the files of this name lie.

    Raises:
        UserError: there are none.
    """
    folder = SOURCE / name
    if not os.path.isdir(folder):
        there = sorted(path.name for path in SOURCE.glob("*/") if ".tmp-" not in path.name)
        known = os.path.isfile(f"{folder}.dvc")
        how = "`dvc pull` brings" if known else f"`sprout new {name} --from PATH` brings"
        raise UserError(
            f"download.name={name}: no folder {folder}; there are: {', '.join(there) or 'none'}; {how} your files "
            f"there (a clone or a copy of the project has them only after `dvc add {folder}`)"
        )
    return folder
