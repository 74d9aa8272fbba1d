"""64 labelled and 300 unlabelled images, as a person brings them: is the stated error right, and is the model good?

    python -m benchmarks.small_sets [--fashion FOLDER] [--cifar10 ARCHIVE] [--draws 10] [--foreign] [OVERRIDE...]

Each draw takes other images of the set (of digits by default), makes an experiment of them by `sprout new`, and builds
it. With `--foreign` the labels are of half of the classes, and half of the unlabelled images show the others.

The error that the build states, cross-validated, is compared with that on up to 5,000 images that were held back.
Counted is how often the 95% interval holds the latter; the ratio is the mean error of the model that is handed on ÷ of
the control, which is supervised training on all labels.
"""

import gzip
import io
import json
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.paired import cost, parser, positive
from benchmarks.seeds import write_params
from benchmarks.workspace import copy_project, environment
from sprout.data.store import Array
from sprout.evaluate.significance import cross_validated_interval
from sprout.models.predictor import load_predictor
from sprout.runtime.files import read_json

LABELLED, UNLABELLED, HELD_BACK = 64, 300, 5_000
ROLES = ("teacher", "control", "student")
EXPERIMENT = "small"
Images = tuple[Array, Array]
"""(N, H, W, C) uint8, and (N,) int classes."""


def digits() -> Images:
    """Scikit-learn's handwritten digits of 8 × 8 pixels."""
    data = load_digits()
    return (data.images * 15.9375).astype(np.uint8)[..., None], data.target


def fashion_mnist(folder: Path) -> Images:
    """The training images of Fashion-MNIST, from its official files."""
    images = np.frombuffer(gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    return images.reshape(-1, 28, 28, 1), labels.astype(np.int64)


def cifar10(archive: Path, count: int = 12_000) -> Images:
    """Some images of an archive with a folder for each class."""
    found: list[tuple[str, Array]] = []
    with tarfile.open(archive) as packed:
        for member in packed:
            file = packed.extractfile(member) if member.name.endswith((".jpg", ".png")) else None
            if file is not None:
                found.append((Path(member.name).parent.name, np.asarray(Image.open(io.BytesIO(file.read())))))
    chosen = np.random.default_rng(0).permutation(len(found))[:count]
    names = sorted({name for name, _ in found})
    return np.stack([found[i][1] for i in chosen]), np.array([names.index(found[i][0]) for i in chosen])


def write_draw(folder: Path, data: Images, seed: int, *, foreign: bool) -> Images:
    """Write a draw as class folders and the folder `unlabelled`; return the images that are held back."""
    images, labels = data
    order = np.random.default_rng(seed).permutation(len(labels))
    known = labels[order] < (labels.max() + 1) / 2 if foreign else np.full(len(order), True)
    own, others = order[known], order[~known][: UNLABELLED // 2]
    labelled, rest = own[:LABELLED], own[LABELLED:]
    pool = np.concatenate([others, rest[: UNLABELLED - len(others)]])
    held = rest[UNLABELLED - len(others) :][:HELD_BACK]
    places = [f"class {label}" for label in labels[labelled]] + ["unlabelled"] * UNLABELLED
    for number, (place, row) in enumerate(zip(places, np.concatenate([labelled, pool]), strict=True)):
        (folder / place).mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row].squeeze()).save(folder / place / f"{number:03}.png")
    return images[held], labels[held]


def build(data: Images, seed: int, overrides: Sequence[str], *, foreign: bool) -> dict[str, Any]:
    """Build one draw; return what it states and what is true."""
    with TemporaryDirectory(prefix="sprout-small-sets-") as scratch:
        folder, env = Path(scratch, "project"), environment(Path(scratch, "dvc"))
        copy_project(folder, env)
        held, labels = write_draw(Path(scratch, "images"), data, seed, foreign=foreign)
        cost(["sprout", "new", EXPERIMENT, "--from", str(Path(scratch, "images"))], folder, env)
        write_params(folder, EXPERIMENT, overrides, seed)
        took = cost(["dvc", "repro", "evaluate"], folder, env)
        evaluated = read_json(folder / "reports/evaluation/metrics.json")
        stated = evaluated["cross_validation"][evaluated["handed_on"]]["error_rate"]
        interval = cross_validated_interval(round(stated * LABELLED), LABELLED)
        true = {role: true_error(folder / "models" / role, held, labels) for role in ROLES}
        kept = read_json(folder / "models/student/gate.json")["kept"]
        left_out = read_json(folder / "data/pseudo_labels/foreign.json")["left_out"]
    found = {"seed": seed, "stated": stated, "interval": interval, "true": true, "kept": kept}
    found |= {"left_out": left_out, "cpu": round(took.cpu)}
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def true_error(model: Path, images: Array, labels: Array) -> float:
    """The error of a model folder on these images, whose classes it has by name."""
    predictor = load_predictor(model)
    fit = np.array([int(name.removeprefix("class ")) for name in predictor.classes])
    predicted = [predictor.predict(batch).argmax(axis=1) for batch in np.array_split(images, 20)]
    return float((fit[np.concatenate(predicted)] != labels).mean())


def summary(name: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How often the interval holds the true error, and what was handed on against the control."""
    holds = [low <= each["true"]["student"] <= high for each in found for low, high in [each["interval"]]]
    errors = {role: [round(each["true"][role], 4) for each in found] for role in ROLES}
    return {
        "name": f"small_sets_{name}",
        "covered": sum(holds),
        "draws": len(found),
        "ratio": round(mean(errors["student"]) / mean(errors["control"]), 3),
        "goal": 1.0,
        "ours": errors["student"],
        "reference": errors["control"],
        "teacher": errors["teacher"],
        "kept": [each["kept"] for each in found],
        "left_out": [each["left_out"] for each in found],
        "stated": [each["stated"] for each in found],
        "unit": "error",
    }


def measure(name: str, data: Images, seeds: range, overrides: Sequence[str], *, foreign: bool) -> None:
    """Build the draws of a set, and print the result."""
    found = [build(data, seed, overrides, foreign=foreign) for seed in seeds]
    print(json.dumps(summary(f"{name}_foreign" if foreign else name, found)), flush=True)


if __name__ == "__main__":
    command_line = parser("small_sets", __doc__, pairs=None)
    command_line.add_argument("--draws", type=positive, default=10, help="default: %(default)s")
    command_line.add_argument("--fashion", metavar="FOLDER", type=Path, help="the official files of Fashion-MNIST")
    command_line.add_argument("--cifar10", metavar="ARCHIVE", type=Path, help="images of CIFAR-10 in class folders")
    command_line.add_argument("--first", type=int, default=0, help="the first draw's seed (default: %(default)s)")
    command_line.add_argument("--only", metavar="NAME", help="one of the sets, such as digits")
    command_line.add_argument("--foreign", action="store_true", help="half of the pool shows other classes")
    command_line.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="such as retrain.epochs=5")
    arguments = command_line.parse_intermixed_args()
    draws = range(arguments.first, arguments.first + arguments.draws)
    sets: dict[str, Callable[[], Images]] = {"digits": digits}
    if arguments.fashion:
        sets["fashion_mnist"] = lambda: fashion_mnist(arguments.fashion)
    if arguments.cifar10:
        sets["cifar10"] = lambda: cifar10(arguments.cifar10)
    if arguments.only not in (None, *sets):
        command_line.error(f"--only={arguments.only}: accepted are those given, {', '.join(sets)}")
    for each in [arguments.only] if arguments.only else sets:
        measure(each, sets[each](), draws, arguments.overrides, foreign=arguments.foreign)
