"""Stage `download`: the source's files come to data/raw, each with its checksum."""

from dataclasses import asdict
from pathlib import Path

from sprout.core.atomic import whole_folder
from sprout.core.stage import run_stage
from sprout.core.workspace import choice, read_build
from sprout.settings.download import DOWNLOADS
from sprout.sources import fetch
from sprout.sources.manifest import write_manifest


def main() -> None:
    source = asdict(choice(read_build(), "download", "source", DOWNLOADS))
    with whole_folder(Path("data/raw")) as folder:
        fetch(folder, Path("build/downloads"), **source)
        write_manifest(folder, source["source"])


if __name__ == "__main__":
    run_stage(main)
