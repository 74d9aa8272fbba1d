"""What a task works with: the loss that it defines, a trained model as it sees one, the limits of an evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from sprout.augment.draws import Draw
    from sprout.data.store import Array, Store
    from sprout.models.card import ModelCard


class TrainedModel(Protocol):
    """A trained network with its card, as `models.predictor` has it."""

    card: "ModelCard"

    def scaled(self, examples: "Array") -> "Tensor":
        """(N, H, W, C) pixels → (N, C, H, W) float32 in 0..1; (N, F) rows keep their values."""

    def network_outputs(self, scaled: "Tensor") -> "Array":
        """The network's outputs for scaled examples, float32."""

    def outputs(self, examples: "Array") -> "Array":
        """The network's outputs for examples, float32."""

    def outputs_of(self, store: "Store", what: str) -> "Array":
        """The network's outputs for a whole store, in its order; shows progress beside `what`."""

    def batches(self, store: "Store", what: str) -> Iterator["Array"]:
        """The rows of a store, in batches that fit into memory; shows progress beside `what`."""


class Criterion(Protocol):
    """The loss of a task, with the statistics of the training examples that it needs."""

    def network_input(self, scaled: "Tensor", draw: "Draw") -> "Tensor":
        """The input of the network for these examples, pixels in 0..1 or rows: the same shape."""

    def losses(self, outputs: "Tensor", targets: "Tensor", scaled: "Tensor", *, training: bool) -> "Tensor":
        """The loss of each example: (N,)."""

    def metrics(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """`Task.epoch_metric` of each example: (N,); zeros where there is none."""


@dataclass(frozen=True)
class Limits:
    """The limits of what an evaluation writes."""

    bins: int
    """Of the calibration curve."""
    examples: int
    """Images that are written, at most."""
