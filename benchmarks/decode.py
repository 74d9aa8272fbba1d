"""The stage `prepare` on class folders of images ÷ decoding them with Pillow in the same number of plain processes.

    python -m benchmarks.decode cifar10.tar.xz                       # 60,000 CIFAR-10 JPEGs
    python -m benchmarks.decode cifar10.tar.xz --near-duplicates     # with the search for near duplicates

Both list the files and decode all of them; ours also checks, compares, splits, stores and describes them.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import alternate, cost, parser, print_ratio
from benchmarks.workspace import copy_project, environment
from sprout.data.formats.archive import unpack

GOAL, GOAL_NEAR = 1.2, 3.0

DOWNLOAD = """\
source: local
name: images
format:
  kind: folders
"""
REFERENCE = """\
import os
import sys
from multiprocessing import Process
from pathlib import Path

import numpy as np
from PIL import Image


def decode(paths):
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB"))


if __name__ == "__main__":
    paths = sorted(str(path) for path in Path(sys.argv[1]).rglob("*.*"))
    count = len(os.sched_getaffinity(0))
    processes = [Process(target=decode, args=(paths[each::count],)) for each in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
"""


def measure(images: Path, pairs: int, *, near: bool) -> None:
    """Compare the two programs, and print the result.

    Args:
        images: a folder, in which every file whose name has a dot is an image, or an archive of one.
        pairs: runs of each side.
        near: whether ours searches for near duplicates as well.
    """
    with TemporaryDirectory(prefix="sprout-decode-") as scratch:
        project = Path(scratch, "project")
        env = environment(Path(scratch, "dvc")) | {"PYTHONPATH": "src"}
        copy_project(project, env)
        if images.is_file():
            unpack(images, unpacked := Path(scratch, "images"))
            images = unpacked
        set_up(project, images.resolve(), near=near)
        for stage in ("compose", "download"):
            cost([sys.executable, f"pipelines/{stage}.py"], project, env)
        (project / "reference.py").write_text(REFERENCE, encoding="utf-8")
        ours, reference = (
            [sys.executable, "pipelines/prepare.py"],
            [sys.executable, "reference.py", str(images.resolve())],
        )
        cost(reference, project, env)  # reads the files from disk into the page cache, for both
        costs = alternate(lambda: cost(ours, project, env), lambda: cost(reference, project, env), pairs)
    name, goal = ("decode_near_duplicates", GOAL_NEAR) if near else ("decode", GOAL)
    print_ratio(name, goal, *costs)


def set_up(project: Path, images: Path, *, near: bool) -> None:
    """Configure the project to prepare these images."""
    (project / "data/source/images").symlink_to(images)
    (project / "conf/download/images.yaml").write_text(DOWNLOAD, encoding="utf-8")
    test = "null" if (images / "test").is_dir() else "0.2"
    overrides = ["download=images", f"prepare.test={test}", "prepare.val=0.2", "prepare.size=null"]
    written = json.dumps([*overrides, "prepare.labels=null", f"prepare.near_duplicates={str(near).lower()}"])
    (project / "params.yaml").write_text(f"experiment: cifar10\noverrides: {written}\n", encoding="utf-8")


if __name__ == "__main__":
    command_line = parser("decode", __doc__, pairs=10)
    command_line.add_argument("images", type=Path, help="a folder of image files, or an archive of one")
    command_line.add_argument("--near-duplicates", action="store_true", help="search for them as well")
    arguments = command_line.parse_args()
    measure(arguments.images, arguments.pairs, near=arguments.near_duplicates)
