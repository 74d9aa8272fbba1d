"""Which examples of the pool a person labels next."""

from dataclasses import dataclass

import numpy as np

from sprout.config.label import Coverage, Entropy, Label, Margin, Mixture, Random
from sprout.data.store import Array
from sprout.label.coverage import farthest, typical, unit_length
from sprout.label.mixture import represent
from sprout.label.uncertainty import by_entropy, by_margin
from sprout.runtime.errors import UserError


@dataclass(frozen=True)
class Pool:
    """The examples without a label, and the features of those with one."""

    features: Array
    """(N, D) float32."""
    probabilities: Array | None
    """(N, K) float32, calibrated, rows sum to 1; None where there is no model yet."""
    labelled: Array
    """(L, D) float32, the features of the examples with a label."""
    classes: Array
    """(L,) int64, their classes."""

    def __post_init__(self) -> None:
        """Check that the arrays fit each other, and that all numbers are finite.

        Raises:
            ValueError: they do not, or some are not.
        """
        examples, size = self.features.shape
        if self.labelled.shape != (len(self.classes), size):
            raise ValueError(f"labelled has the shape {self.labelled.shape}, not {(len(self.classes), size)}")
        if self.probabilities is not None and len(self.probabilities) != examples:
            raise ValueError(f"probabilities has {len(self.probabilities)} rows, not {examples}")
        for name in ("features", "probabilities", "labelled"):
            values = getattr(self, name)
            if values is not None and not np.isfinite(values).all():
                raise ValueError(f"{name} has NaN or infinite numbers")


def select(settings: Label, pool: Pool, count: int, seed: int) -> Array:
    """Select the examples that are labelled next: (count,) int64 rows of the pool, all different, the best first.

    Where the pool has fewer examples, all of them.

    Args:
        settings: the section `label`.
        pool: the examples.
        count: of rows, from 0.
        seed: of all draws. The same one selects the same rows.

    Raises:
        UserError: the strategy needs a model, and there is none.
    """
    count = min(count, len(pool.features))
    if count == 0:
        return np.zeros(0, np.int64)
    features, labelled, predicted = unit_length(pool.features), unit_length(pool.labelled), pool.probabilities
    match settings:
        case Random():
            return np.random.default_rng(seed).permutation(len(features))[:count]
        case Margin():
            return highest(by_margin(required(settings, predicted)), count)
        case Entropy():
            return highest(by_entropy(required(settings, predicted)), count)
        case Coverage(rule="farthest"):
            return farthest(features, labelled, count, seed)
        case Mixture() if predicted is not None:
            return represent(features, by_margin(predicted), labelled, count, settings.neighbours)
        case Coverage() | Mixture():
            return typical(features, labelled, count, settings.neighbours, seed)


def required(settings: Margin | Entropy, probabilities: Array | None) -> Array:
    """The probabilities.

    Raises:
        UserError: there is no model yet.
    """
    if probabilities is None:
        raise UserError(
            f"label.strategy={settings.strategy}: needs a trained model, and there is none; take label=coverage for "
            "the first labels"
        )
    return probabilities


def highest(values: Array, count: int) -> Array:
    """The rows of the highest values, of equal ones the earlier first: (N,) → (count,) int64."""
    order: Array = np.argsort(-values, kind="stable")
    return order[:count]
