"""Stage `prepare`: data/raw, or your own data/source, becomes checked stores under data/prepared, one per split."""

from dataclasses import asdict
from pathlib import Path

from sprout.core.atomic import scratch_folder, whole_folder
from sprout.core.lean_arrow import leave_pandas_out
from sprout.core.stage import run_stage
from sprout.core.workspace import choice, read_build, section
from sprout.prepare.stores import prepare
from sprout.settings.download import DOWNLOADS
from sprout.settings.prepare import Prepare
from sprout.sources import read
from sprout.sources.manifest import verify


def main() -> None:
    leave_pandas_out()
    build, raw = read_build(), Path("data/raw")
    verify(raw)
    source = asdict(choice(build, "download", "source", DOWNLOADS))
    with whole_folder(Path("data/prepared")) as folder, scratch_folder(Path("build/scratch")) as scratch:
        prepare(read(raw, scratch, **source), folder, scratch, **asdict(section(build, "prepare", Prepare)))


if __name__ == "__main__":
    run_stage(main)
