"""Source `local`: your own files in `data/source/NAME`, which are read there and never copied."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sprout.config.download import Local
from sprout.data.formats import read_files
from sprout.data.listing import Listing
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_rows, write_rows

SOURCE = Path("data/source")
LEFT_OUT = ".left_out.csv"
"""The file in a folder of data that lists what `sprout new` has left out; hidden, so that it is no example."""


def fetch(settings: Local, _folder: Path, _partial: Path) -> None:
    """Check that the files are there; a copy in each build would double the data's size."""
    folder_of(settings.name)


def read(settings: Local, _folder: Path, scratch: Path) -> Listing:
    """List the examples, in the format of the settings."""
    folder = folder_of(settings.name)
    return replace(read_files(folder, scratch, settings.format), left_out=read_left_out(folder))


def write_left_out(folder: Path, left_out: Mapping[str, str]) -> None:
    """Note the files that were not brought here, each with the reason; nothing where all were."""
    if left_out:
        rows = [{"origin": path, "reason": reason} for path, reason in left_out.items()]
        write_rows(folder / LEFT_OUT, ("origin", "reason"), rows)


def read_left_out(folder: Path) -> dict[str, str]:
    """The files that were not brought here, with the reasons."""
    path = folder / LEFT_OUT
    return {row["origin"]: row["reason"] for row in read_rows(path)} if path.is_file() else {}


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
