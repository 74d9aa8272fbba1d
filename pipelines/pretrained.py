"""Stage `pretrained`: copies pretrained weights, if the config names some, to data/pretrained."""

from pathlib import Path

from sprout.config.pretrained import Pretrained
from sprout.config.workspace import read_build, section
from sprout.runtime.files import atomic_folder, write_json
from sprout.runtime.stage import run_stage


def main() -> None:
    settings = section(read_build(), "pretrained", Pretrained)
    with atomic_folder(Path("data/pretrained")) as folder:
        if settings.source is None:
            write_json(folder / "pretrained.json", None)
            return
        # Imported here because it imports torch, which takes seconds.
        from sprout.weights.fetch import fetch_pretrained

        fetch_pretrained(settings.source, folder, Path("build/downloads"), sha256=settings.sha256)


if __name__ == "__main__":
    run_stage(main)
