"""Stage `download`: the source's files come to data/raw, each with its checksum."""

from dataclasses import asdict
from pathlib import Path

from sprout.config.download import DOWNLOADS
from sprout.config.workspace import choice, read_build
from sprout.data.sources import fetch
from sprout.data.sources.manifest import write_manifest
from sprout.runtime.files import atomic_folder
from sprout.runtime.stage import run_stage


def main() -> None:
    source = asdict(choice(read_build(), "download", "source", DOWNLOADS))
    with atomic_folder(Path("data/raw")) as folder:
        fetch(folder, Path("build/downloads"), **source)
        write_manifest(folder, source["source"])


if __name__ == "__main__":
    run_stage(main)
