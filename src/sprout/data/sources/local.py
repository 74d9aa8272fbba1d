"""Source `local`: your own files in `data/source/NAME`, which are read there and never copied."""

import os
from pathlib import Path

from sprout.config.download import Local
from sprout.data.formats import read_files
from sprout.data.listing import Listing
from sprout.runtime.errors import UserError

SOURCE = Path("data/source")


def fetch(settings: Local, _folder: Path, _partial: Path) -> None:
    """Check that the files are there; a copy in each build would double the data's size."""
    folder_of(settings.name)


def read(settings: Local, _folder: Path, scratch: Path) -> Listing:
    """List the examples, in the format of the settings."""
    return read_files(folder_of(settings.name), scratch, settings.format)


def folder_of(name: str) -> Path:
    """Return the folder with the files of this name.

    Raises:
        UserError: there is none.
    """
    folder = SOURCE / name
    if not os.path.isdir(folder):
        names = sorted(path.name for path in SOURCE.glob("*/") if ".tmp-" not in path.name)
        tracked = os.path.isfile(f"{folder}.dvc")
        how = "`dvc pull` brings" if tracked else f"`sprout new {name} --from PATH` brings"
        raise UserError(
            f"download.name={name}: no folder {folder}; there are: {', '.join(names) or 'none'}; {how} your files "
            f"there (a clone or copy of the project has them only after `dvc add {folder}`)"
        )
    return folder
