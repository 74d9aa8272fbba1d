"""A trained model: examples in, predictions out. The one way from a model folder to outputs."""

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sprout.data.store import Array, Store
from sprout.models.build import build_network
from sprout.models.card import ModelCard, load_card
from sprout.models.features import without_head
from sprout.models.normalise import Normalise, network_shape
from sprout.runtime.checksums import REMEDY, check_sums
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.model_folder import WEIGHTS
from sprout.runtime.progress import track
from sprout.tasks import task_named
from sprout.tasks.base import Task

BATCH = 1000
"""Examples at most."""
BATCH_BYTES = 16 << 20
"""Of a batch's float32 input, at most. What a convolutional network makes of it is some twenty times as large (64
filters on 3 channels) and lies in memory twice, before and after a layer: about 0.7 GB, however large the images."""

Place = Callable[[nn.Module], nn.Module]


class Predictor:
    """A trained network with its scales. Examples are (N, H, W, C) uint8 images or (N, F) float32 rows of a table."""

    def __init__(self, network: nn.Module, card: ModelCard, place: Place | None = None) -> None:
        """Take a network in evaluation mode.

        Args:
            network: on the CPU.
            card: of the model.
            place: puts a network where it computes, such as on several GPUs; None leaves it.

        Raises:
            UserError: the card names a task that is not known.
        """
        self.network, self.card, self.place = network, card, place or stay
        self.placed = self.place(network)
        self.normalise = Normalise(card.mean, card.std)
        self.task: type[Task] = task_named(card.task)

    @property
    def classes(self) -> list[str]:
        """Class names, by index."""
        return self.card.classes

    def scaled(self, examples: Array) -> Tensor:
        """(N, H, W, C) pixels → (N, C, H, W) float32 in 0..1; (N, F) rows keep their values."""
        return self.normalise.scale(torch.from_numpy(np.ascontiguousarray(examples)))

    @torch.inference_mode()
    def network_outputs(self, scaled: Tensor) -> Array:
        """The network's outputs for what `scaled` returns, float32."""
        outputs: Array = self.placed(self.normalise(scaled)).float().numpy()
        return outputs

    def outputs(self, examples: Array) -> Array:
        """The network's outputs, float32.

        Of a classifier (N, K) logits, not calibrated; of a regression (N, 1) numbers in the network's own scale; of a
        reconstruction (N, C, H, W) pixels; of a clustering (N, clusters) squared distances to the centres, negative.
        """
        return self.network_outputs(self.scaled(examples))

    def predict(self, examples: Array) -> Array:
        """Predictions, as the model's task defines them: calibrated probabilities, numbers, images or clusters."""
        return self.task.predictions(self.outputs(examples), self.card)

    @cached_property
    def encoder(self) -> nn.Module:
        """What makes the features of an example.

        Raises:
            UserError: the network has no features, such as a forest.
        """
        return self.place(without_head(self.network).eval())

    @torch.inference_mode()
    def embed(self, examples: Array) -> Array:
        """The features of examples, which lie before the network's last dense layer: (N, D) float32.

        Raises:
            UserError: the network has none, such as a forest.
        """
        features: Array = self.encoder(self.normalise(self.scaled(examples))).float().numpy()
        return features

    def outputs_of(self, store: Store, what: str) -> Array:
        """The network's outputs for a whole store, in its order; shows progress beside `what`."""
        return self._of_store(self.outputs, store, what)

    def features_of(self, store: Store, what: str) -> Array:
        """What `embed` gives for a whole store, in its order; shows progress beside `what`."""
        return self._of_store(self.embed, store, what)

    def _of_store(self, compute: Callable[[Array], Array], store: Store, what: str) -> Array:
        # The shape is that of an example of zeros, as the store may be empty.
        shape = compute(np.zeros((1, *store.shape), store.dtype)).shape[1:]
        results = np.empty((len(store), *shape), np.float32)
        for rows in self.batches(store, what):
            results[rows] = compute(store.take(rows))
        return results

    def batches(self, store: Store, what: str) -> Iterator[Array]:
        """The rows of a store, in order, in batches that fit into memory, each (n,) int64; shows progress."""
        size = max_batch(self.network, store.shape)
        starts = range(0, len(store), size)
        for start in track(starts, what, len(starts)):
            yield np.arange(start, min(start + size, len(store)))


def load_predictor(folder: Path, place: Place | None = None) -> Predictor:
    """Open a model folder, on the CPU unless `place` says otherwise; see `Predictor`.

    Raises:
        UserError: there is no model in it.
    """
    return Predictor(*load_model(Path(folder)), place)


def stay(network: nn.Module) -> nn.Module:
    """The network where it is."""
    return network


def load_model(folder: Path) -> tuple[nn.Module, ModelCard]:
    """The network with its weights, in evaluation mode, and its card.

    Raises:
        UserError: one of the two files is missing or damaged, or they do not fit each other.
    """
    card, path = load_card(folder), folder / WEIGHTS
    if path.exists():
        check_sums(folder, [WEIGHTS], REMEDY)
    network = build_network(
        network_shape(card.input_shape), task_named(card.task).outputs(len(card.classes)), card.architecture
    )
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = one_line(error)
        raise UserError(f"{path}: not this model's weights ({reason}); {REMEDY}") from None
    return network.eval(), card


def max_batch(network: torch.nn.Module, shape: tuple[int, ...]) -> int:
    """Examples of this shape, (H, W, C) or (F,), in a batch that fits into memory."""
    # Some networks resize images to a side of their own, in colour.
    sides = [getattr(module, "side", None) or 0 for module in network.modules()]
    numbers = max(math.prod(shape), 3 * max(sides) ** 2)
    return max(1, min(BATCH, BATCH_BYTES // (4 * numbers)))


def use_threads(threads: int) -> None:
    """Use so many CPU threads: the same number gives the same bits. 0 leaves it to torch."""
    if threads:
        torch.set_num_threads(threads)
