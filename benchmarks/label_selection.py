"""Labels that the section `label` selects ÷ random labels, for the error that 250 random ones reach.

    python -m benchmarks.label_selection label=mixture                      # digits
    python -m benchmarks.label_selection label=mixture --fashion FOLDER     # Fashion-MNIST

The labels grow from 20 to 250 in rounds, and each round trains anew. For digits that is what the experiment `digits`
trains: a teacher on the labels, then a student by consistency training on labels and pool, both without augmented
copies and to the last epoch. Its features and probabilities select the labels of the next round; pixels select the
first. Images of Fashion-MNIST would take minutes for each training: there the features are learned from a pool of 8,000
once, by contrastive training without labels, and each round fits a logistic regression on them.

Each seed draws its own pool and its own test images. A strategy is chosen with `--split val`.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.paired import parser, positive
from benchmarks.small_sets import Images, digits, fashion_mnist
from benchmarks.workspace import PROJECT
from sprout.config.compose import compose_config
from sprout.config.label import LABELS, Label, Random
from sprout.config.model import MODELS
from sprout.config.train import GradientDescent, read_training
from sprout.config.validate import choice
from sprout.config.workspace import Build
from sprout.config.workspace import choice as chosen_model
from sprout.data.dataset import Examples, TrainingData
from sprout.data.store import Array, label_table, open_store, write_store
from sprout.engine.fit import Trainee, fit
from sprout.engine.initial import initial_network
from sprout.label.selection import Pool, select
from sprout.models.card import ModelCard
from sprout.models.predictor import Predictor, use_threads
from sprout.runtime.run_context import RunContext

GOAL = 0.6
ROUNDS = (20, 50, 80, 110, 150, 200, 250)
HELD = 500
"""Images of test, and of val."""
CLASSES = 10
DIGITS = ("digits", "train/transforms=shifts", "train.steps_per_epoch=10")
CONTRASTIVE = (
    "fashion_mnist_few", "download.mirror=.", "train/task=cluster", "train/method=contrastive", "train.ema=null",
    "train.method.projection_dim=64", "train.batch_size=256", "train.monitor=val_loss", "train.epochs=6",
    "train.transforms.flip=0.5", "train.transforms.shift=0.12", "train.transforms.rotate=15.0",
    "train.transforms.zoom=0.2", "train.transforms.gamma=1.0", "train.transforms.erase=0.3", "model.stem=32",
    "model.patch=2", "model.widths=[48,128]", "model.blocks=[0,1]",
)  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """What a model says."""

    features: Array
    """(N, D) of the pool."""
    probabilities: Array
    """(N, K) of the pool."""
    error: float
    """On the held back images."""


class Draw:
    """The pool and the held back images of one seed."""

    def __init__(self, folder: Path, data: Images, split: str, most: int, seed: int) -> None:
        """Write the store of all images, and draw."""
        self.images, self.labels, self.seed = data[0], np.asarray(data[1], np.int64), seed
        order = np.random.default_rng(seed).permutation(len(self.labels))
        held = {"test": order[:most], "val": order[most : 2 * most]}
        self.held, self.pool = held[split], order[2 * most :][:8000]
        rows = np.arange(len(order))
        table = label_table(rows, self.labels, source="given", group=rows, origin=[""] * len(rows))
        write_store(folder, self.images, table)
        self.store = open_store(folder)

    @property
    def pixels(self) -> Array:
        """Of the pool: (N, D) float32."""
        return self.images[self.pool].reshape(len(self.pool), -1).astype(np.float32)

    def examples(self, rows: Array, *, labelled: bool) -> Examples:
        """Images of the store, with or without their labels."""
        columns = {"row": pa.array(rows), "label": pa.array(self.labels[rows])}
        return Examples([(self.store, pa.table(columns))], target="label" if labelled else None)

    def card(self, build: Build) -> ModelCard:
        """The model before training."""
        scaled = self.images[self.pool] / 255
        return ModelCard(
            task="classify",
            architecture=chosen_model(build, "model", "name", MODELS),
            classes=[str(index) for index in range(CLASSES)],
            input_shape=list(self.images.shape[1:]),
            mean=[float(scaled.mean())],
            std=[float(scaled.std())],
            temperature=None,
            target=None,
            noise=None,
            parameters=0,
            role="train",
            kept=None,
        )

    def error(self, predict: Callable[[Array], Array]) -> float:
        """The error of what predicts (n, K) for rows of the store, on the held back images."""
        return float((in_batches(predict, self.held).argmax(axis=1) != self.labels[self.held]).mean())


def in_batches(compute: Callable[[Array], Array], rows: Array) -> Array:
    """What is computed for these rows, a thousand at a time."""
    return np.concatenate([compute(some) for some in np.array_split(rows, len(rows) // 1000 + 1)])


class Students:
    """Trains as the experiment `digits` does, anew for each set of labels."""

    def __init__(self, draw: Draw, overrides: Sequence[str]) -> None:
        """Take the images, and overrides of the experiment."""
        self.draw, self.build = draw, composed(*DIGITS, f"train.seed={draw.seed}", *overrides)
        self.features = draw.pixels

    def train(self, selected: Array) -> Trained:
        """Teacher and student of these rows of the pool."""
        draw, card = self.draw, self.draw.card(self.build)
        labelled = draw.examples(draw.pool[selected], labelled=True)
        unlabelled = draw.examples(np.delete(draw.pool, selected), labelled=False)
        network = trained(self.build, "train", card, CLASSES, TrainingData(labelled, None))
        network = trained(self.build, "retrain", card, CLASSES, TrainingData(labelled, None, unlabelled), network)
        model = Predictor(network, card)
        error = draw.error(lambda rows: model.outputs(draw.images[rows]))
        features = in_batches(lambda rows: model.embed(draw.images[rows]), draw.pool)
        return Trained(features, in_batches(lambda rows: model.predict(draw.images[rows]), draw.pool), error)


class Regressions:
    """Fits a logistic regression on features that a network has learned from the pool without labels."""

    def __init__(self, draw: Draw, overrides: Sequence[str]) -> None:
        """Learn the features."""
        build = composed(*CONTRASTIVE, *overrides)
        card = draw.card(build)
        data = TrainingData(draw.examples(draw.pool, labelled=False), None)
        self.draw, self.model = draw, Predictor(trained(build, "train", card, 64, data), card)
        self.features = self.of(draw.pool)

    def of(self, rows: Array) -> Array:
        """Features of images of the store, of length 4."""
        found = in_batches(lambda some: self.model.embed(self.draw.images[some]), rows)
        scaled: Array = 4 * found / np.linalg.norm(found, axis=1, keepdims=True)
        return scaled

    def train(self, selected: Array) -> Trained:
        """The regression of these rows of the pool."""
        labels = self.draw.labels[self.draw.pool[selected]]
        model = LogisticRegression(max_iter=300).fit(self.features[selected], labels)

        def predict(features: Array) -> Array:
            found = np.zeros((len(features), CLASSES), np.float32)
            found[:, model.classes_] = model.predict_proba(features)
            return found

        return Trained(self.features, predict(self.features), self.draw.error(lambda rows: predict(self.of(rows))))


def composed(experiment: str, *overrides: str) -> Build:
    """The config of an experiment, on one thread."""
    found = compose_config(PROJECT / "conf", experiment, ["train.threads=1", *overrides])
    return Build(found.text, found.config)


def trained(
    build: Build, section: str, card: ModelCard, outputs: int, data: TrainingData, start: torch.nn.Module | None = None
) -> torch.nn.Module:
    """The network that a section trains, from the weights of another one if there is one."""
    config = read_training(build, section)
    assert isinstance(config, GradientDescent)
    use_threads(config.threads)
    torch.manual_seed(config.seed)
    network = initial_network(card, outputs, None, keep_head=False)
    if start is not None:
        network.load_state_dict(start.state_dict())
    with TemporaryDirectory(prefix="sprout-label-selection-") as scratch:
        found = fit(Trainee(network, card), data, config, RunContext(section, Path(scratch, "checkpoints")))
    assert found is not None
    network = network.float()  # in any precision of the training
    network.load_state_dict(found.weights)
    return network.eval()


def errors(learner: Students | Regressions, settings: Label, rounds: Sequence[int]) -> dict[int, float]:
    """The error after each round, by the number of labels."""
    draw, found = learner.draw, dict[int, float]()
    selected, features, probabilities = np.zeros(0, np.int64), learner.features, None
    for size in rounds:
        left = np.setdiff1d(np.arange(len(draw.pool)), selected)
        known = draw.labels[draw.pool[selected]]
        pool = Pool(features[left], None if probabilities is None else probabilities[left], features[selected], known)
        further = select(settings, pool, size - len(selected), draw.seed + size)
        selected = np.concatenate([selected, left[further]])
        model = learner.train(selected)
        features, probabilities, found[size] = model.features, model.probabilities, model.error
        print(f"seed {draw.seed}, {settings.strategy}, {size} labels: {model.error:.2%}", file=sys.stderr, flush=True)
    return found


def labels_needed(found: dict[int, float], wanted: float) -> float:
    """How many labels have this error, between the rounds by interpolation; infinite where none have."""
    before: tuple[int, float] | None = None
    for size, error in found.items():
        if error <= wanted:
            if before is None or before[1] == error:
                return size
            share = (before[1] - wanted) / (before[1] - error)
            return before[0] + share * (size - before[0])
        before = size, error
    return float("inf")


def summary(name: str, ours: list[dict[int, float]], random: list[dict[int, float]]) -> dict[str, object]:
    """Labels needed ÷ random labels: of the mean errors, and the range over the seeds."""
    last = max(random[0])
    wanted = mean(each[last] for each in random)
    mean_of = {
        side: {n: mean(each[n] for each in runs) for n in runs[0]}
        for side, runs in (("ours", ours), ("random", random))
    }
    each = [round(labels_needed(one, wanted) / last, 3) for one in ours]
    return {
        "name": f"label_selection_{name}",
        "ratio": round(labels_needed(mean_of["ours"], wanted) / last, 3),
        "interval": [min(each), max(each)],
        "goal": GOAL,
        "ours": {n: round(error, 4) for n, error in mean_of["ours"].items()},
        "reference": {n: round(error, 4) for n, error in mean_of["random"].items()},
        "unit": "labels",
    }


def settings_of(overrides: Sequence[str]) -> Label:
    """The section `label`."""
    values = compose_config(PROJECT / "conf", "digits", overrides).label
    return choice("label", values, "strategy", LABELS)


def measure(
    name: str, data: Images, settings: Label, seeds: range, split: str, rounds: Sequence[int], overrides: Sequence[str]
) -> None:
    """Compare the settings with random labels, and print the result."""
    found: dict[str, list[dict[int, float]]] = {"ours": [], "random": []}
    for seed in seeds:
        with TemporaryDirectory(prefix="sprout-label-selection-") as scratch:
            draw = Draw(Path(scratch, "all"), data, split, 500 if name == "digits" else 5000, seed)
            learner = Students(draw, overrides) if name == "digits" else Regressions(draw, overrides)
            found["ours"].append(errors(learner, settings, rounds))
            found["random"].append(errors(learner, Random("random"), rounds))
    print(json.dumps({**summary(name, **found), "strategy": settings.strategy}), flush=True)


if __name__ == "__main__":
    command_line = parser("label_selection", __doc__, pairs=None)
    command_line.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="of the section label, or of the trainings"
    )
    command_line.add_argument("--fashion", metavar="FOLDER", type=Path, help="the official files of Fashion-MNIST")
    command_line.add_argument("--seeds", type=positive, default=5, help="(default: %(default)s)")
    command_line.add_argument("--split", choices=["val", "test"], default="test", help="(default: %(default)s)")
    arguments = command_line.parse_intermixed_args()
    of_label = [each for each in arguments.overrides if each.startswith("label")]
    others = [each for each in arguments.overrides if not each.startswith("label")]
    known = ("fashion_mnist", fashion_mnist(arguments.fashion)) if arguments.fashion else ("digits", digits())
    measure(*known, settings_of(of_label), range(arguments.seeds), arguments.split, ROUNDS, others)
