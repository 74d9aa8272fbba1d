"""Stage `augment`: writes augmented copies of the labelled training examples, with a contact sheet."""

from pathlib import Path

from sprout.augment.copies import draw_copies, write_copies
from sprout.config.augment import Augment
from sprout.config.workspace import read_build, section
from sprout.data.store import open_store
from sprout.runtime.files import atomic_folder
from sprout.runtime.stage import run_stage


def main() -> None:
    config = section(read_build(), "augment", Augment)
    train = open_store(Path("data/prepared/train"))
    with atomic_folder(Path("data/augmented")) as folder:
        write_copies(train, folder, config)
        draw_copies(train, folder)


if __name__ == "__main__":
    run_stage(main)
