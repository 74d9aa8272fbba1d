"""Which predictions on unlabelled examples count in consistency training, and how much.

All of them see the whole step, also with several processes, and so have the same state on each.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor


class Threshold(ABC):
    """Gives each prediction of a step its weight."""

    @abstractmethod
    def weights(self, probabilities: Tensor, ids: Tensor) -> Tensor:
        """The weights; the state moves on.

        Args:
            probabilities: (N, K) of all examples of the step, rows sum to 1.
            ids: (N,) int64, their indices in the pool.

        Returns:
            (N,) in 0..1.
        """

    @abstractmethod
    def cutoff(self) -> Tensor:
        """The confidence from which a prediction counts in full, in this state: (K,) by class, or one for all."""

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state."""
        vars(self).update(state)


class Fixed(Threshold):
    """Confidence from which a prediction counts (FixMatch: Sohn et al., NeurIPS 2020)."""

    def __init__(self, confidence: float) -> None:
        """Take the confidence, in 0..1."""
        self.confidence = confidence

    def weights(self, probabilities: Tensor, ids: Tensor) -> Tensor:
        """1 from this confidence on."""
        return (probabilities.amax(1) >= self.confidence).to(probabilities)

    def cutoff(self) -> Tensor:
        """This confidence."""
        return torch.tensor(self.confidence)


class FlexMatch(Threshold):
    """A fixed confidence, lowered for classes of which few examples have reached it.

    FlexMatch: Zhang et al., "Boosting semi-supervised learning with curriculum pseudo labeling", NeurIPS 2021, with
    its warm-up and its convex mapping x / (2 − x). It keeps a class for each example of the pool.
    """

    def __init__(self, confidence: float, classes: int, pool: int) -> None:
        """Take the confidence, the number of classes and the size of the pool."""
        self.confidence = confidence
        self.latest = torch.zeros(pool, dtype=torch.int16)
        self.counts = torch.zeros(classes + 1, dtype=torch.float64)
        self.counts[0] = pool

    def weights(self, probabilities: Tensor, ids: Tensor) -> Tensor:
        """1 from the threshold of the predicted class on."""
        self.latest, self.counts = self.latest.to(ids.device), self.counts.to(ids.device)
        confidence, predicted = probabilities.max(1)
        found = confidence >= self.cutoff()[predicted]
        reached = confidence >= self.confidence
        self.latest[ids] = torch.where(reached, predicted + 1, self.latest[ids]).to(torch.int16)
        # 0 is the place of examples whose prediction has never reached the confidence.
        self.counts = torch.bincount(self.latest, minlength=len(self.counts)).to(self.counts)
        return found.to(probabilities)

    def cutoff(self) -> Tensor:
        """Lower for classes of which few examples have reached the confidence."""
        learned = self.counts[1:] / self.counts.max()
        return self.confidence * (learned / (2 - learned))


class FreeMatch(Threshold):
    """A threshold that follows the mean confidence, and is lower for classes that are predicted with less of it.

    FreeMatch: Wang et al., "Self-adaptive thresholding for semi-supervised learning", ICLR 2023, without its fairness
    loss.
    """

    def __init__(self, momentum: float, classes: int) -> None:
        """Take the momentum of the running means, and the number of classes."""
        self.momentum = momentum
        self.confidence = torch.full((), 1 / classes)
        self.of_classes = torch.full((classes,), 1 / classes)

    def weights(self, probabilities: Tensor, ids: Tensor) -> Tensor:
        """1 from the threshold of the predicted class on."""
        confidence, predicted = probabilities.max(1)
        self.confidence = running_mean(self.confidence, confidence.mean(), self.momentum)
        self.of_classes = running_mean(self.of_classes, probabilities.mean(0), self.momentum)
        return (confidence >= self.cutoff()[predicted]).to(probabilities)

    def cutoff(self) -> Tensor:
        """The mean confidence, and less for classes that have less of it."""
        return self.confidence * self.of_classes / self.of_classes.max()


class SoftMatch(Threshold):
    """A weight that falls as a Gaussian below the mean confidence.

    SoftMatch: Chen et al., "Addressing the quantity-quality trade-off in semi-supervised learning", ICLR 2023; as
    there, with two standard deviations to the width of the Gaussian.
    """

    def __init__(self, momentum: float, classes: int) -> None:
        """Take the momentum of the running mean and variance, and the number of classes."""
        self.momentum = momentum
        self.mean = torch.full((), 1 / classes)
        self.variance = torch.ones(())

    def weights(self, probabilities: Tensor, ids: Tensor) -> Tensor:
        """1 from the mean confidence on, and less below it."""
        confidence = probabilities.amax(1)
        self.mean = running_mean(self.mean, confidence.mean(), self.momentum)
        self.variance = running_mean(self.variance, confidence.var(), self.momentum)
        below = (confidence - self.mean).clamp(max=0)
        return torch.exp(-2 * below**2 / self.variance)

    def cutoff(self) -> Tensor:
        """The mean confidence."""
        return self.mean


def running_mean(before: Tensor, found: Tensor, momentum: float) -> Tensor:
    """The share `momentum` of the mean until now, and the rest of what was found in this step."""
    return torch.lerp(found, before.to(found), momentum)
