"""Of the labels that are called most doubtful, the share that is wrong: Fashion-MNIST with 5% of its labels flipped.

    python -m benchmarks.label_issues ../shared/data/fashion-mnist [--labels 1000 10000] [--seeds 3]

So many labels are drawn, another quarter of it for val, and 5% of both get another class, each of the nine with the
same probability. A small network learns from them, by the project's code. Then the labels of train are judged as in the
stage `evaluate`, and the doubtful 5% are compared with the flipped ones.
"""

import json
import sys
import time
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.paired import parser, positive
from benchmarks.small_sets import fashion_mnist
from benchmarks.training import card_of, compose
from sprout.config.model import MODELS
from sprout.config.train import GradientDescent, read_training
from sprout.config.workspace import choice
from sprout.data.dataset import Examples, TrainingData
from sprout.data.store import Array, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine.fit import Trainee, fit
from sprout.engine.initial import initial_network
from sprout.explain.label_issues import label_issues, self_confidence
from sprout.explain.out_of_sample import out_of_sample
from sprout.models.predictor import Predictor, use_threads
from sprout.runtime.run_context import RunContext, log_nothing

CLASSES, NOISE, GOAL = 10, 0.05, 0.70
SETTINGS = ("model=cnn", "train.epochs=10", "train.lr=0.002", "train/schedule=cosine")
"""The network has two convolutions of 32 and 64 filters; without augmentation."""


def flipped(labels: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Labels with a share of them wrong: (n,) int64, and which ones: (n,) bool."""
    wrong = np.zeros(len(labels), bool)
    wrong[random.permutation(len(labels))[: round(NOISE * len(labels))]] = True
    moved = (labels + random.integers(1, CLASSES, len(labels))) % CLASSES
    return np.where(wrong, moved, labels), wrong


def write_split(folder: Path, images: Array, labels: Array) -> None:
    """Write a store."""
    rows = np.arange(len(labels))
    write_store(folder, images, label_table(rows, labels, source="given", group=rows, origin=[""] * len(rows)))


def trained(folder: Path, seed: int) -> Predictor:
    """Train a network on the splits in a folder."""
    build = compose(*SETTINGS, f"train.seed={seed}")
    config = read_training(build, "train")
    assert isinstance(config, GradientDescent)
    use_threads(config.threads)
    torch.manual_seed(config.seed)
    train, val = (Examples.of(open_store(folder / split), target="label") for split in ("train", "val"))
    data = TrainingData(train, val, None)
    card = card_of(data, choice(build, "model", "name", MODELS))
    network = initial_network(card, CLASSES, None, keep_head=False)
    found = fit(Trainee(network, card), data, config, RunContext("benchmark", folder / "checkpoints", log_nothing))
    assert found
    network.load_state_dict(found.weights)
    return Predictor(network.eval(), card)


def found_share(confidence: Array, wrong: Array) -> float:
    """The share of wrong labels among as many of the lowest confidence."""
    first = np.argsort(confidence, kind="stable")[: wrong.sum()]
    return round(float(wrong[first].mean()), 3)


def draw(images: Array, labels: Array, count: int, seed: int) -> dict[str, float]:
    """Measure one draw of labels."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(labels))[: count + count // 4]
    given, wrong = flipped(labels[chosen], random)
    with TemporaryDirectory(prefix="sprout-label-issues-") as scratch:
        folder = Path(scratch)
        write_split(folder / "train", images[chosen[:count]], given[:count])
        write_split(folder / "val", images[chosen[count:]], given[count:])
        predictor = trained(folder, seed)
        features = predictor.features_of(open_store(folder / "train"), "features")
        outputs = predictor.outputs_of(open_store(folder / "train"), "outputs")
    given, wrong, began = given[:count], wrong[:count], time.monotonic()
    probabilities = out_of_sample(features, given, CLASSES)
    took, issues = time.monotonic() - began, label_issues(probabilities, given)
    return {
        "top": found_share(self_confidence(probabilities, given), wrong),
        "in_sample": found_share(self_confidence(predictor.task.predictions(outputs, predictor.card), given), wrong),
        "listed": len(issues.rows),
        "listed_wrong": round(float(wrong[issues.rows].mean()), 3),
        "of_wrong": round(float(np.isin(np.flatnonzero(wrong), issues.rows).mean()), 3),
        "seconds": round(took, 1),
    }


def measure(images: Array, labels: Array, count: int, seeds: int) -> None:
    """Measure some draws, and print the result."""
    found = [draw(images, labels, count, seed) for seed in range(seeds)]
    print(found, file=sys.stderr, flush=True)
    shares = [each["top"] for each in found]
    means = {key: round(mean(each[key] for each in found), 3) for key in found[0]}
    print(
        json.dumps(
            {
                "name": f"label_issues_{count}",
                "ratio": round(mean(shares), 3),
                "interval": [min(shares), max(shares)],
                "goal": GOAL,
                "ours": shares,
                "unit": "",
                **means,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    command_line = parser("label_issues", __doc__, pairs=None)
    command_line.add_argument("fashion", metavar="FOLDER", type=Path, help="the official files of Fashion-MNIST")
    command_line.add_argument("--labels", type=positive, nargs="+", default=[1_000, 10_000], help="default: both")
    command_line.add_argument("--seeds", type=positive, default=3, help="(default: %(default)s)")
    arguments = command_line.parse_args()
    known = fashion_mnist(arguments.fashion)
    for number in arguments.labels:
        measure(*known, number, arguments.seeds)
