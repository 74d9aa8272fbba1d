"""Stage `pretrained`: the weights that a network starts from come to data/pretrained, if any."""

from dataclasses import asdict
from pathlib import Path

from sprout.config.pretrained import Pretrained
from sprout.config.workspace import read_build, section
from sprout.models.weights.fetch import bring_pretrained
from sprout.runtime.files import atomic_folder
from sprout.runtime.stage import run_stage


def main() -> None:
    settings = asdict(section(read_build(), "pretrained", Pretrained))
    with atomic_folder(Path("data/pretrained")) as folder:
        bring_pretrained(folder, Path("build/downloads"), **settings)


if __name__ == "__main__":
    run_stage(main)
