"""Stage `augment`: extra copies of the labelled training examples go to data/augmented, with a picture of some."""

from dataclasses import asdict
from pathlib import Path

from sprout.copies import draw_copies, write_copies
from sprout.core.atomic import whole_folder
from sprout.core.lean_arrow import leave_pandas_out
from sprout.core.stage import run_stage
from sprout.core.store import open_store
from sprout.core.workspace import read_build, section
from sprout.settings.augment import Augment


def main() -> None:
    leave_pandas_out()
    settings = asdict(section(read_build(), "augment", Augment))
    train = open_store(Path("data/prepared/train"))
    with whole_folder(Path("data/augmented")) as folder:
        write_copies(train, folder, **settings)
        draw_copies(train, folder)


if __name__ == "__main__":
    run_stage(main)
