"""Stage `pretrained`: the weights that a network starts from come to data/pretrained, if any."""

from dataclasses import asdict
from pathlib import Path

from sprout.core.atomic import whole_folder
from sprout.core.stage import run_stage
from sprout.core.workspace import read_build, section
from sprout.pretrained import bring_pretrained
from sprout.settings.pretrained import Pretrained


def main() -> None:
    settings = asdict(section(read_build(), "pretrained", Pretrained))
    with whole_folder(Path("data/pretrained")) as folder:
        bring_pretrained(folder, Path("build/downloads"), **settings)


if __name__ == "__main__":
    run_stage(main)
