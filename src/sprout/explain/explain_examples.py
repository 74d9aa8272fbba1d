"""All that can be said of a model's predictions for some examples, in one call."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sprout.data.store import Array
from sprout.explain.saliency import saliency
from sprout.models.predictor import Predictor, max_batch
from sprout.runtime.errors import UserError


@dataclass(frozen=True)
class Explanations:
    """What is known of N predictions."""

    predictions: Array
    """(N, …) as `Predictor.predict` returns them."""
    predicted: Array
    """(N,) int64, the largest output: the class or the cluster; 0 where the model predicts a number."""
    saliency: Array | None
    """(N, H, W) float32 in 0..1, how much each pixel speaks for `predicted`; None where it cannot be told: for rows of
    a table, for a model that outputs images, and for a forest, which has no gradients."""
    features: Array | None
    """(N, D) float32, see `Predictor.embed`; None of a model without features."""


def explain_examples(predictor: Predictor, examples: Array) -> Explanations:
    """Explain predictions.

    Args:
        predictor: any model.
        examples: (N, H, W, C) uint8 images or (N, F) float32 rows, N from 1.
    """
    outputs = in_batches(predictor, examples, predictor.outputs)
    vector = outputs.ndim == 2
    predicted = outputs.argmax(axis=1) if vector else np.zeros(len(outputs), np.int64)
    explained = vector and examples.ndim == 4 and has_gradients(predictor, examples)
    return Explanations(
        predictions=predictor.task.predictions(outputs, predictor.card),
        predicted=predicted,
        saliency=saliency(predictor, examples, predicted) if explained else None,
        features=in_batches(predictor, examples, predictor.embed) if has_features(predictor) else None,
    )


def in_batches(predictor: Predictor, examples: Array, compute: Callable[[Array], Array]) -> Array:
    """What `compute` gives for all examples, in batches that fit into memory: (N, …)."""
    size = max_batch(predictor.network, examples.shape[1:])
    return np.concatenate([compute(examples[start : start + size]) for start in range(0, len(examples), size)])


def has_gradients(predictor: Predictor, examples: Array) -> bool:
    """Whether the outputs depend on the inputs in a way that can be differentiated."""
    with torch.enable_grad():
        inputs = predictor.normalise(predictor.scaled(examples[:1])).requires_grad_()
        outputs: torch.Tensor = predictor.network(inputs)
    return outputs.requires_grad


def has_features(predictor: Predictor) -> bool:
    """Whether `Predictor.embed` works."""
    try:
        return predictor.encoder is not None
    except UserError:
        return False
