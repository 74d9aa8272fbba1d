"""Which predictions on the unlabelled pool become labels. Pure functions of arrays.

Pseudo-labels: D.-H. Lee, "Pseudo-Label", ICML workshop 2013; the fixed threshold on confidence as in Sohn et al.,
"FixMatch", NeurIPS 2020, here on calibrated probabilities. Curriculum: Cascante-Bonilla et al., "Curriculum labeling",
AAAI 2021, with the same share of every predicted class as in Zou et al., "Unsupervised domain adaptation for semantic
segmentation via class-balanced self-training", ECCV 2018.
"""

from typing import NamedTuple

import numpy as np

from sprout.config.pseudo_label import Curriculum, Selection, Threshold
from sprout.data.store import Array

ROUNDING = 1e-6
"""By how much a product that should be whole may be above it."""


class Selected(NamedTuple):
    """What a round accepts of N predictions."""

    rows: Array
    """(n,) int64 of the accepted ones, in order."""
    thresholds: Array
    """(K,) the confidence from which a prediction of each class is accepted: what is true of these is estimated by
    other examples at the same thresholds. 0 where a class is accepted whole."""


def select(predicted: Array, confidence: Array, classes: int, config: Selection, number: int) -> Selected:
    """Select predictions.

    Args:
        predicted: (N,) int, the most probable class of each; N may be 0.
        confidence: (N,) float32, its calibrated probability.
        classes: K.
        config: how.
        number: of the round, from 1.
    """
    places = places_in_class(predicted, confidence)
    match config:
        case Threshold():
            least = config.threshold
            reached = confidence >= least
        case Curriculum():
            counts = np.bincount(predicted, minlength=classes)
            wanted = np.ceil(counts * (config.share * number / config.rounds) - ROUNDING)
            least = 0.0
            reached = places < wanted[predicted]
    accepted = reached if config.per_class is None else reached & (places < config.per_class)
    cut = np.bincount(predicted[~accepted & (confidence >= least)], minlength=classes) > 0
    thresholds = np.where(cut, lowest(predicted[accepted], confidence[accepted], classes), least)
    return Selected(np.flatnonzero(accepted), thresholds.astype(confidence.dtype))


def places_in_class(predicted: Array, confidence: Array) -> Array:
    """The place of each prediction among those of its class, the most confident first: (N,) int64, from 0.

    Of two predictions of equal confidence the earlier row comes first.
    """
    order, counts = np.lexsort((-confidence, predicted)), np.bincount(predicted)
    places = np.empty(len(predicted), np.int64)
    places[order] = np.arange(len(predicted)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places


def lowest(predicted: Array, confidence: Array, classes: int) -> Array:
    """The lowest confidence of the predictions of each class: (n,), (n,) → (K,); infinite where there is none."""
    found = np.full(classes, np.inf, confidence.dtype)
    np.minimum.at(found, predicted, confidence)
    return found


def class_scales(total: Array, examples: int, wanted: Array) -> Array:
    """By what each class is multiplied so that the mean prediction has the wanted shares, as far as one step goes.

    Distribution alignment: Berthelot et al., "ReMixMatch", ICLR 2020.

    Args:
        total: (K,) float64, the sum of all predictions.
        examples: how many there are; 0 where there are none.
        wanted: (K,) shares.
    """
    if not examples:
        return np.ones_like(wanted)
    found: Array = wanted / np.maximum(total / examples, np.finfo(np.float32).tiny)
    return found


def scaled(probabilities: Array, scales: Array) -> Array:
    """Multiply each class, and norm each row to 1: (N, K), (K,) → (N, K) float32."""
    products = probabilities * scales
    found: Array = (products / products.sum(axis=1, keepdims=True)).astype(np.float32)
    return found
