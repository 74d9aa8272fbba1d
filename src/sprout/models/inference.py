"""A trained model at work: examples in, calibrated probabilities out."""

from pathlib import Path

import numpy as np
import torch

from sprout.core.progress import track
from sprout.core.store import Array, Store
from sprout.models.model_file import ModelCard, load_model
from sprout.models.normalise import Normalise

BATCH = 1000


class Predictor:
    """A trained network with its normalisation and temperature."""

    def __init__(self, network: torch.nn.Module, card: ModelCard) -> None:
        """Take a network in evaluation mode."""
        self.network, self.card = network, card
        self.normalise = Normalise(card.mean, card.std)

    @property
    def classes(self) -> list[str]:
        """Class names, by index."""
        return self.card.classes

    @torch.inference_mode()
    def logits(self, examples: Array) -> Array:
        """(N, H, W, C) uint8 or (N, F) float32 → (N, K) float32, not calibrated."""
        scaled = self.normalise.scale(torch.from_numpy(np.ascontiguousarray(examples)))
        found: Array = self.network(self.normalise(scaled)).float().numpy()
        return found

    def probabilities(self, examples: Array) -> Array:
        """(N, H, W, C) uint8 or (N, F) float32 → (N, K) float32, calibrated; rows sum to 1."""
        return softmax(self.logits(examples), self.card.temperature)


def load_predictor(folder: Path) -> Predictor:
    """Open a model folder, on the CPU.

    Raises:
        UserError: there is no model in it.
    """
    return Predictor(*load_model(Path(folder)))


def logits_of(predictor: Predictor, store: Store, what: str) -> Array:
    """The logits of a whole store, in its order: (N, K) float32."""
    starts = range(0, len(store), BATCH)
    found = [
        predictor.logits(store.take(np.arange(start, min(start + BATCH, len(store)))))
        for start in track(starts, what, len(starts))
    ]
    none = np.zeros((0, len(predictor.classes)), np.float32)
    logits: Array = np.concatenate([none, *found])
    return logits


def probabilities_of(predictor: Predictor, store: Store, what: str) -> Array:
    """The calibrated probabilities of a whole store, in its order: (N, K) float32."""
    return softmax(logits_of(predictor, store, what), predictor.card.temperature)


def softmax(logits: Array, temperature: float) -> Array:
    """(N, K) → (N, K); rows sum to 1."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
    shares: Array = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def use_threads(threads: int) -> None:
    """Use so many CPU threads: the same number gives the same bits. 0 leaves it to torch."""
    if threads:
        torch.set_num_threads(threads)
