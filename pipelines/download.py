"""Stage `download`: downloads the source's files to data/raw and records their checksums."""

from pathlib import Path

from sprout.config.download import DOWNLOADS
from sprout.config.workspace import choice, read_build
from sprout.data.manifest import write_manifest
from sprout.data.sources import fetch
from sprout.runtime.files import atomic_folder
from sprout.runtime.stage import run_stage


def main() -> None:
    source = choice(read_build(), "download", "source", DOWNLOADS)
    with atomic_folder(Path("data/raw")) as folder:
        fetch(source, folder, Path("build/downloads"))
        write_manifest(folder, source.source)


if __name__ == "__main__":
    run_stage(main)
