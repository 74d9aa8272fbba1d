"""What `label_selection` trains in each round: the students of `digits`, or regressions on features learned once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.small_sets import Images
from benchmarks.workspace import PROJECT
from sprout.config.compose import compose_config
from sprout.config.model import MODELS
from sprout.config.train import GradientDescent, read_training
from sprout.config.workspace import Build, choice
from sprout.data.dataset import Examples, TrainingData
from sprout.data.store import Array, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.engine.fit import Trainee, fit
from sprout.engine.initial import initial_network
from sprout.models.card import ModelCard
from sprout.models.predictor import Predictor, use_threads
from sprout.runtime.run_context import RunContext

POOL = 8000
"""Images at most."""
CLASSES, PROJECTION = 10, 64
LENGTH = 4.0
"""Of the features that a regression is fitted on; it decides how strongly that is regularised."""
DIGITS = ("train/transforms=shifts", "train.steps_per_epoch=10")
CONTRASTIVE = (
    "download.mirror=.", "train/task=cluster", "train/method=contrastive", "train.ema=null",
    f"train.method.projection_dim={PROJECTION}", "train.batch_size=256", "train.monitor=val_loss", "train.epochs=6",
    "train.transforms.shift=0.12", "train.transforms.rotate=15.0", "train.transforms.zoom=0.2",
    "train.transforms.shear=8.0", "train.transforms.gamma=1.0", "train.transforms.erase=0.3", "model.stem=32",
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

    def __init__(self, folder: Path, data: Images, split: str, held: int, seed: int) -> None:
        """Write the store of all images, and draw so many that are held back."""
        self.images, self.labels, self.seed = data[0], np.asarray(data[1], np.int64), seed
        order = np.random.default_rng(seed).permutation(len(self.labels))
        splits = {"test": order[:held], "val": order[held : 2 * held]}
        self.held, self.pool = splits[split], order[2 * held :][:POOL]
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
            architecture=choice(build, "model", "name", MODELS),
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

    def error(self, outputs: Array) -> float:
        """The error of outputs for the held back images, (n, K)."""
        return float((outputs.argmax(axis=1) != self.labels[self.held]).mean())


def in_batches(compute: Callable[[Array], Array], rows: Array) -> Array:
    """What is computed for these rows, a thousand at a time."""
    return np.concatenate([compute(some) for some in np.array_split(rows, len(rows) // 1000 + 1)])


class Students:
    """Trains as the experiment `digits` does, anew for each set of labels."""

    def __init__(self, draw: Draw, overrides: Sequence[str]) -> None:
        """Take the images, and overrides of the experiment."""
        self.draw, self.build = draw, composed("digits", *DIGITS, f"train.seed={draw.seed}", *overrides)
        self.features = draw.pixels

    def train(self, selected: Array) -> Trained:
        """Teacher and student of these rows of the pool."""
        draw, card = self.draw, self.draw.card(self.build)
        labelled = draw.examples(draw.pool[selected], labelled=True)
        unlabelled = draw.examples(np.delete(draw.pool, selected), labelled=False)
        network = trained(self.build, "train", card, CLASSES, TrainingData(labelled, None))
        network = trained(self.build, "retrain", card, CLASSES, TrainingData(labelled, None, unlabelled), network)
        model = Predictor(network, card)

        def predict(rows: Array) -> Array:
            return in_batches(lambda some: model.predict(draw.images[some]), rows)

        features = in_batches(lambda rows: model.embed(draw.images[rows]), draw.pool)
        return Trained(features, predict(draw.pool), draw.error(predict(draw.held)))


class Regressions:
    """Fits a logistic regression on features that a network has learned from the pool without labels."""

    def __init__(self, draw: Draw, overrides: Sequence[str]) -> None:
        """Learn the features."""
        build = composed("fashion_mnist_few", *CONTRASTIVE, *overrides)
        card = draw.card(build)
        data = TrainingData(draw.examples(draw.pool, labelled=False), None)
        model = Predictor(trained(build, "train", card, PROJECTION, data), card)

        def features_of(rows: Array) -> Array:
            found = in_batches(lambda some: model.embed(draw.images[some]), rows)
            scaled: Array = LENGTH * found / np.linalg.norm(found, axis=1, keepdims=True)
            return scaled

        self.draw, self.features, self.held = draw, features_of(draw.pool), features_of(draw.held)

    def train(self, selected: Array) -> Trained:
        """The regression of these rows of the pool."""
        labels = self.draw.labels[self.draw.pool[selected]]
        model = LogisticRegression(max_iter=300).fit(self.features[selected], labels)

        def predict(features: Array) -> Array:
            found = np.zeros((len(features), CLASSES), np.float32)
            found[:, model.classes_] = model.predict_proba(features)
            return found

        return Trained(self.features, predict(self.features), self.draw.error(predict(self.held)))


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
