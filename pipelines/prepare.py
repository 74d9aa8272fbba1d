"""Stage `prepare`: data/raw, or your own data/source, becomes checked stores under data/prepared, one per split."""

from dataclasses import asdict
from pathlib import Path

from sprout.config.download import DOWNLOADS
from sprout.config.prepare import Prepare
from sprout.config.workspace import choice, read_build, section
from sprout.data.prepare.stores import prepare
from sprout.data.sources import read
from sprout.data.sources.manifest import verify
from sprout.runtime.files import atomic_folder, scratch_folder
from sprout.runtime.stage import run_stage


def main() -> None:
    build, raw = read_build(), Path("data/raw")
    verify(raw)
    source = asdict(choice(build, "download", "source", DOWNLOADS))
    with atomic_folder(Path("data/prepared")) as folder, scratch_folder(Path("build/scratch")) as scratch:
        prepare(read(raw, scratch, **source), folder, scratch, **asdict(section(build, "prepare", Prepare)))


if __name__ == "__main__":
    run_stage(main)
