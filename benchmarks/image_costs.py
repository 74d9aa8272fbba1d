"""CPU time and bytes of each step of `prepare` for one image, from which docs/scale.md computes.

    python -m benchmarks.image_costs

One process, one thread. Images are cut out of the two photographs that scikit-learn has, and encoded as JPEG of quality
90: of 32 × 32 pixels, and of 500 × 375 (as in ImageNet) or 256 × 256 for an input of 224 × 224. Each figure is the
least of several rounds, as a busy machine only adds to it. There is no reference, and no goal.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmarks.paired import parser, positive
from sprout.config.formats import Folders
from sprout.data.formats import read_format
from sprout.data.listing import Files, texts
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.duplicates import first_equal
from sprout.data.prepare.groups import draw, proportional_quotas
from sprout.data.prepare.parts import Parts, digest, even_starts
from sprout.data.prepare.worker import decode_examples, write_shard
from sprout.data.shards import Destination
from sprout.data.store import label_table, write_labels

QUALITY = 90
ROUNDS = 5
SOURCES = {"32": (32, 32), "224 from 500x375": (500, 375), "224 from 256x256": (256, 256)}
"""What is decoded: (width, height) of the files."""
ROWS = 1_000_000
PATH = "n00000000/n00000000_0000000.jpg"


def measure(images: int, rows: int) -> None:
    """Print the costs as one JSON line.

    Args:
        images: how many are decoded in a round.
        rows: how many are in a label table.
    """
    costs: dict[str, float] = {}
    for name, size in SOURCES.items():
        side = 32 if name == "32" else 224
        with TemporaryDirectory(prefix="sprout-costs-") as folder:
            costs |= decoding_costs(name, Path(folder), size, side, images)
    with TemporaryDirectory(prefix="sprout-costs-") as folder:
        costs |= row_costs(Path(folder), rows)
    print(json.dumps({name: float(f"{value:.3g}") for name, value in costs.items()}), flush=True)


def decoding_costs(name: str, folder: Path, size: tuple[int, int], side: int, images: int) -> dict[str, float]:
    """Return bytes of a file, and microseconds for each step of an image."""
    (folder / "images/class").mkdir(parents=True)
    (folder / "images/other").mkdir()
    for row in range(images):
        cut_out(size, row).save(folder / f"images/{'class' if row % 2 else 'other'}/{row}.jpg", quality=QUALITY)
    listing = read_format(folder / "images", folder, Folders("folders"))
    assert isinstance(listing.examples, Files)
    paths, shape = listing.examples.some(slice(None)), (side, side, 3)
    root, target = str(folder / "images"), ImageFormat((side, side), 3, "crop", 10**8)
    pixels, _ = decode_examples(root, paths, shape, target)
    digests = np.stack([np.frombuffer(digest(image), np.uint8) for image in pixels])
    parts = Parts(folder, even_starts(images, images), shape)
    with parts.new(0) as file:
        file.write(pixels.data)
    target_folder, rows = Destination(folder), np.arange(images)
    sizes = [(folder / "images" / path).stat().st_size for path in paths]
    return {
        f"{name}: bytes of a file": sum(sizes) / images,
        f"{name}: listing, µs": per(images, lambda: read_format(folder / "images", folder, Folders("folders"))),
        f"{name}: decode, µs": per(images, lambda: decode_examples(root, paths, shape, target)),
        f"{name}: digest, µs": per(images, lambda: [digest(image) for image in pixels]),
        f"{name}: write a part, µs": per(images, lambda: (folder / "part").write_bytes(pixels.data)),
        f"{name}: from a part to a store, µs": per(
            images, lambda: write_shard(parts, target_folder, 0, rows, digests, counted=True)
        ),
    }


def cut_out(size: tuple[int, int], seed: int) -> Image.Image:
    """Return a part of a photograph, scaled to this width and height."""
    from sklearn.datasets import load_sample_image

    generator = np.random.default_rng(seed)
    photograph = Image.fromarray(load_sample_image(("china.jpg", "flower.jpg")[seed % 2]))
    scale = generator.uniform(0.5, 1)
    width = int(min(photograph.width, photograph.height * size[0] / size[1]) * scale)
    height = width * size[1] // size[0]
    left, top = (
        int(generator.integers(0, spare + 1)) for spare in (photograph.width - width, photograph.height - height)
    )
    return photograph.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))


def row_costs(folder: Path, rows: int) -> dict[str, float]:
    """Return microseconds and bytes of a row where nothing of its image is at hand."""
    numbers = np.arange(rows)
    origin = texts(PATH for _ in numbers)
    digests = np.random.default_rng(0).integers(0, 256, (rows, 16), dtype=np.uint8)
    strata = numbers % 1000

    def table() -> pa.Table:
        return label_table(numbers, strata, source="given", group=numbers, origin=origin)

    quotas = proportional_quotas(numbers, strata, rows // 2)
    costs = {
        "duplicates, µs": per(rows, lambda: first_equal(digests, numbers)),
        "a draw, µs": per(rows, lambda: draw(numbers, quotas, strata, numbers, 0)),
        "label table, µs": per(rows, lambda: write_labels(folder, table())),
        "label table in memory, bytes": table().nbytes / rows,
    }
    return costs | {"labels.parquet, bytes": (folder / "labels.parquet").stat().st_size / rows}


def per(count: int, run: Callable[[], object]) -> float:
    """Return the CPU time of a call per one of `count`, in microseconds: the least of some rounds."""
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return 1e6 * min(found) / count


if __name__ == "__main__":
    command_line = parser("image_costs", __doc__, pairs=None)
    command_line.add_argument("--images", type=positive, default=200, help="of each kind (default: %(default)s)")
    command_line.add_argument("--rows", type=positive, default=ROWS, help="of a label table (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.images, arguments.rows)
