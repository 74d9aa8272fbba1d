"""Stage `prepare`: data/raw becomes checked stores, one per split, under data/prepared."""

from dataclasses import asdict
from pathlib import Path

from sprout.core.atomic import whole_folder
from sprout.core.stage import run_stage
from sprout.core.workspace import choice, read_build, section
from sprout.prepare import prepare
from sprout.settings.download import DOWNLOADS
from sprout.settings.prepare import Prepare
from sprout.sources import read
from sprout.sources.raw import verify


def main() -> None:
    build, raw = read_build(), Path("data/raw")
    verify(raw)
    source = asdict(choice(build, "download", "source", DOWNLOADS))
    with whole_folder(Path("data/prepared")) as folder:
        prepare(read(raw, **source), folder, **asdict(section(build, "prepare", Prepare)))


if __name__ == "__main__":
    run_stage(main)
