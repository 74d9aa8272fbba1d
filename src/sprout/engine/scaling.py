"""By which figures an example's numbers, and those to predict, are scaled."""

from collections.abc import Sequence

import numpy as np

from sprout.data.description import Description
from sprout.data.store import Array
from sprout.runtime.errors import UserError

IMAGENET = {3: ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), 1: ([0.449], [0.226])}
"""Mean and spread of ImageNet's colours, as torchvision's pretrained networks know them; of grey, their means."""


def input_scale(described: Description, normalise: str, shape: Sequence[int]) -> tuple[list[float], list[float]]:
    """What is subtracted from each channel or feature, and what the rest is divided by.

    Args:
        described: what `prepare` says about the training split.
        normalise: standard, min_max, none or imagenet.
        shape: (H, W, C) of an image, whose pixels come as 0..1, or (F,) of a table's row.

    Raises:
        UserError: ImageNet's figures are asked for where there are no images of its kind.
    """
    numbers = shape[-1]
    if normalise == "imagenet":
        if len(shape) != 3 or numbers not in IMAGENET:
            raise UserError("train.normalise=imagenet: the examples are no grey or colour images; take standard")
        return IMAGENET[numbers]
    if normalise == "standard":
        return described.mean, described.std
    if normalise == "min_max" and described.low is not None and described.high is not None:
        return described.low, ranges(np.array(described.low), np.array(described.high))
    return [0.0] * numbers, [1.0] * numbers


def target_scale(values: Array, normalise: str) -> dict[str, float]:
    """`mean` and `std` by which numbers to predict are scaled: (N,) float."""
    if normalise == "none":
        return {"mean": 0.0, "std": 1.0}
    if normalise == "min_max":
        return {"mean": float(values.min()), "std": ranges(values.min(keepdims=True), values.max(keepdims=True))[0]}
    return {"mean": float(values.mean()), "std": float(values.std()) or 1.0}


def ranges(low: Array, high: Array) -> list[float]:
    """high − low; 1 where that is nothing."""
    return [float(apart) or 1.0 for apart in high - low]
