"""From what scikit-learn has fitted to the weights of the torch modules of `sprout.models`."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sprout.data.store import Array
from sprout.models.architecture import Architecture, Fitted, FittedForest, FittedKMeans, FittedLogistic

FittedModel = tuple[dict[str, Tensor], Fitted]
"""Weights, and the architecture that takes them."""


def dense_weights(fitted: Any) -> FittedModel:
    """Of a LogisticRegression. Of two classes it knows the second's weights, and the first one's are 0."""
    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
    return {"1.weight": single(weight), "1.bias": single(bias)}, FittedLogistic("logistic")


def forest_weights(fitted: Any) -> FittedModel:
    """Of a RandomForestClassifier; see `sprout.models.fitted.RandomForest` for how nodes are numbered."""
    trees = [each.tree_ for each in fitted.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])

    def of_all(key: str) -> Array:
        return np.concatenate([getattr(tree, key) for tree in trees])

    def child(side: str) -> Array:
        return np.concatenate([getattr(tree, side) + root for tree, root in zip(trees, roots, strict=True)])

    leaf = of_all("children_left") < 0
    leaves = int(leaf.sum())
    number = np.where(leaf, np.cumsum(leaf) - 1, leaves + np.cumsum(~leaf) - 1)
    weights = {
        "roots": torch.from_numpy(number[roots]),
        "feature": torch.from_numpy(of_all("feature")[~leaf]),
        "threshold": torch.from_numpy(rounded_down(of_all("threshold")[~leaf])),
        "left": torch.from_numpy(number[child("children_left")[~leaf]]),
        "right": torch.from_numpy(number[child("children_right")[~leaf]]),
        "probabilities": torch.from_numpy(of_all("value")[leaf, 0]),
    }
    depth = max(tree.max_depth for tree in trees)
    return weights, FittedForest("forest", len(trees), len(leaf) - leaves, leaves, int(depth))


def centre_weights(fitted: Any, embedding: nn.Module, network: Architecture | None, unit_length: bool) -> FittedModel:
    """Of a KMeans on the features that `embedding` makes, which is cut from a network of that architecture."""
    centres = single(fitted.cluster_centers_)
    weights = {f"0.{key}": tensor for key, tensor in embedding.state_dict().items()}
    clusters, dimensions = centres.shape
    architecture = FittedKMeans("kmeans", clusters, dimensions, unit_length, network)
    return {**weights, "1.centres": centres}, architecture


def rounded_down(thresholds: Array) -> Array:
    """float64 → the next float32 that is not larger: for any float32 x, `x <= threshold` stays what it was."""
    near = thresholds.astype(np.float32)
    lower: Array = np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
    return lower


def single(numbers: Array) -> Tensor:
    """In single precision."""
    return torch.from_numpy(numbers.astype(np.float32))
