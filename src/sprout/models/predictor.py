"""A trained model at work: examples in, what its task asks for out."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sprout.data.store import Array, Store
from sprout.models.card import ModelCard, load_model
from sprout.models.normalise import Normalise
from sprout.runtime.progress import track

BATCH = 1000
"""Examples at most."""
BATCH_BYTES = 16 << 20
"""Of a batch's float32 input, at most. What a convolutional network makes of it is some twenty times as large (64
filters on 3 channels) and lies in memory twice, before and after a layer: about 0.7 GB, however large the images."""


class Predictor:
    """A trained network with its scales. Examples are (N, H, W, C) uint8 images or (N, F) float32 rows of a table."""

    def __init__(self, network: torch.nn.Module, card: ModelCard) -> None:
        """Take a network in evaluation mode."""
        self.network, self.card = network, card
        self.normalise = Normalise(card.mean, card.std)

    @property
    def classes(self) -> list[str]:
        """Class names, by index."""
        return self.card.classes

    def scaled(self, examples: Array) -> Tensor:
        """(N, H, W, C) pixels → (N, C, H, W) float32 in 0..1; (N, F) rows keep their values."""
        return self.normalise.scale(torch.from_numpy(np.ascontiguousarray(examples)))

    @torch.inference_mode()
    def network_outputs(self, scaled: Tensor) -> Array:
        """The network's outputs for what `scaled` makes, which may have been changed on the way."""
        found: Array = self.network(self.normalise(scaled)).float().numpy()
        return found

    def outputs(self, examples: Array) -> Array:
        """The network's outputs, float32.

        Of a classifier (N, K) logits, not calibrated; of a regression (N, 1) numbers in the network's own scale; of a
        reconstruction (N, C, H, W) pixels; of a clustering (N, clusters) squared distances to the centres, negative.
        """
        return self.network_outputs(self.scaled(examples))

    def probabilities(self, examples: Array) -> Array:
        """Of a classifier: (N, K) float32, calibrated; rows sum to 1."""
        return softmax(self.outputs(examples), self.card.temperature)

    def values(self, examples: Array) -> Array:
        """Of a regression: (N,) float64, in the data's unit."""
        return values(self.outputs(examples), self.card)

    def images(self, examples: Array) -> Array:
        """Of a reconstruction: (N, H, W, C) float32 in 0..1."""
        return pixels(self.outputs(examples)).transpose(0, 2, 3, 1)

    def clusters(self, examples: Array) -> Array:
        """Of a clustering: (N,) int64, the nearest centre."""
        nearest: Array = self.outputs(examples).argmax(axis=1)
        return nearest

    def predict(self, examples: Array) -> Array:
        """What the model's task asks for."""
        asked = {
            "classify": self.probabilities,
            "regress": self.values,
            "reconstruct": self.images,
            "cluster": self.clusters,
        }
        return asked[self.card.task](examples)


def load_predictor(folder: Path) -> Predictor:
    """Open a model folder, on the CPU.

    Raises:
        UserError: there is no model in it.
    """
    return Predictor(*load_model(Path(folder)))


def outputs_of(predictor: Predictor, store: Store, what: str) -> Array:
    """The network's outputs for a whole store, in its order: see `Predictor.outputs`."""
    # Asked of an example that is none, as the store may be empty.
    shape = predictor.outputs(np.zeros((1, *store.shape), store.shards[0].dtype)).shape[1:]
    outputs = np.empty((len(store), *shape), np.float32)
    for rows in batches(predictor, store, what):
        outputs[rows] = predictor.outputs(store.take(rows))
    return outputs


def at_once(network: torch.nn.Module, shape: tuple[int, ...]) -> int:
    """Examples of this shape, (H, W, C) or (F,), in a batch that memory has room for."""
    # Some bring images to a size of their own, in colour.
    sides = [getattr(module, "side", None) or 0 for module in network.modules()]
    numbers = max(math.prod(shape), 3 * max(sides) ** 2)
    return max(1, min(BATCH, BATCH_BYTES // (4 * numbers)))


def batches(predictor: Predictor, store: Store, what: str) -> Iterator[Array]:
    """The rows of a store, in order, in parts that memory has room for, each (n,) int64; says how far it is."""
    size = at_once(predictor.network, store.shape)
    starts = range(0, len(store), size)
    for start in track(starts, what, len(starts)):
        yield np.arange(start, min(start + size, len(store)))


def softmax(logits: Array, temperature: float | None) -> Array:
    """(N, K) → (N, K); rows sum to 1. Without a temperature the logits are taken as they are."""
    scaled = logits.astype(np.float64) / (temperature or 1.0)
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
    shares: Array = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def values(outputs: Array, card: ModelCard) -> Array:
    """(N, 1) in the network's scale → (N,) float64 in the data's unit."""
    target = card.target or {"mean": 0.0, "std": 1.0}
    return outputs[:, 0].astype(np.float64) * target["std"] + target["mean"]


def pixels(outputs: Array) -> Array:
    """Pixels cut to 0..1, as an image's must be."""
    return outputs.clip(0, 1)


def use_threads(threads: int) -> None:
    """Use so many CPU threads: the same number gives the same bits. 0 leaves it to torch."""
    if threads:
        torch.set_num_threads(threads)
