"""What is known of each image before anybody is asked: its features, and what the last model thinks of it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Self

import numpy as np

from sprout.data.store import Array, Store
from sprout.label.images import FOLDERS, Images, Split
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.model_folder import CARD

if TYPE_CHECKING:
    from sprout.models.predictor import Predictor

STUDENT = Path("models/student")
COMPONENTS = 32
"""Principal components of the pixels, at most, where no model has features."""
FITTED = 2000
"""Images of each split that the components are found from, at most."""
BATCH = 500
BY_PIXELS = "images are chosen by their pixels"


@dataclass(frozen=True)
class Knowledge:
    """Of all images."""

    features: dict[Split, Array]
    """Of each split (N, D) float32."""
    probabilities: Array | None
    """(N, K) float32 of the pool, calibrated; None without a model."""
    source: str
    """By what the images are chosen, for the page."""


class Learning:
    """Finds out what is known, if wanted on a thread of its own: the page answers meanwhile."""

    def __init__(self, images: Images, folder: Path = STUDENT) -> None:
        """Take the images; `start` begins.

        Args:
            images: all of them.
            folder: of the model.
        """
        self.images, self.folder = images, folder
        self.done, self.total = 0, sum(len(store) for store in images.stores.values())
        self.knowledge: Knowledge | None = None
        self.error = ""

    def start(self) -> Self:
        """Find it out on a thread."""
        Thread(target=self._run, name="learning", daemon=True).start()
        return self

    def _run(self) -> None:
        try:
            self.knowledge = self.learn()
        except Exception as error:  # the page says it
            self.error = one_line(error)
            print(f"sprout label: {self.error}", file=sys.stderr, flush=True)

    def learn(self) -> Knowledge:
        """Return what is known: by the model where one fits these images, else by their pixels."""
        if not (self.folder / CARD).is_file():
            return Knowledge(self.of_pixels(), None, f"{BY_PIXELS}: {self.folder} has no model yet")
        try:
            predictor = load(self.folder, self.images)
        except UserError as error:
            return Knowledge(self.of_pixels(), None, f"{BY_PIXELS}: {one_line(error)}")
        self.total = len(self.images.stores["pool"]) + (self.total if has_features(predictor) else 0)
        probabilities = self.map("pool", predictor.predict, predictor)
        if has_features(predictor):
            features = {split: self.map(split, predictor.embed, predictor) for split in FOLDERS}
        else:
            features = self.of_pixels()
        return Knowledge(features, probabilities, f"images are chosen by the model in {self.folder}")

    def map(self, split: Split, compute: Callable[[Array], Array], predictor: "Predictor") -> Array:
        """What a function of the model gives for all images of a split, in order: (N, D) float32."""
        store = self.images.stores[split]
        found = [compute(np.zeros((1, *store.shape), np.uint8))[:0]]
        for rows in predictor.batches(store, f"label: {split}"):
            found.append(compute(store.take(rows)))
            self.done += len(rows)
        return np.concatenate(found)

    def of_pixels(self) -> dict[Split, Array]:
        """The principal components of the pixels, (N, D) float32 of each split."""
        from sklearn.decomposition import PCA

        stores = self.images.stores
        fitted = flat(np.concatenate([store.take(some(len(store))) for store in stores.values()]))
        pca = PCA(min(COMPONENTS, *fitted.shape), svd_solver="randomized", random_state=0).fit(fitted)
        return {split: self.transform(store, pca.transform) for split, store in stores.items()}

    def transform(self, store: Store, compute: Callable[[Array], Array]) -> Array:
        """What a function of the pixels gives for all images of a store: (N, D) float32."""
        found = [compute(np.zeros((1, int(np.prod(store.shape))), np.float32))[:0]]
        for start in range(0, len(store), BATCH):
            found.append(compute(flat(store.take(np.arange(start, min(start + BATCH, len(store)))))))
            self.done += len(found[-1])
        return np.concatenate(found).astype(np.float32)


def load(folder: Path, images: Images) -> "Predictor":
    """Open the model of these images.

    Raises:
        UserError: it is damaged, or learned other classes or images of another shape.
    """
    from sprout.models.predictor import load_predictor

    found = load_predictor(folder)
    if found.task.target != "class" or found.classes != images.classes:
        raise UserError(f"the model in {folder} has other classes")
    if tuple(found.card.input_shape) != images.stores["pool"].shape:
        raise UserError(f"the model in {folder} takes images of another size")
    return found


def has_features(predictor: "Predictor") -> bool:
    """Whether a model has features; a forest has none."""
    try:
        return predictor.encoder is not None
    except UserError:
        return False


def some(count: int) -> Array:
    """Some of so many rows, at most `FITTED`: (n,) int64, ascending."""
    return np.sort(np.random.default_rng(0).permutation(count)[:FITTED])


def flat(images: Array) -> Array:
    """(n, H, W, C) uint8 → (n, H·W·C) float32 in 0..1."""
    return images.reshape(len(images), -1).astype(np.float32) / 255
