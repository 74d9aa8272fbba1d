"""Models that scikit-learn finds, handed on as the weights of a torch module."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sprout.data.store import Array
from sprout.engine.estimator_weights import Found, centre_weights, dense_weights, forest_weights
from sprout.engine.one_go import in_one_go, say
from sprout.models.card import ModelCard
from sprout.models.features import features as make_features
from sprout.models.normalise import network_shape
from sprout.runtime.errors import UserError

STEPS = 1000
"""Steps of logistic regression, at most."""
BATCH = 1000


def fit_estimator(
    inputs: Tensor,
    labels: Array | None,
    *,
    name: str,
    outputs: int,
    seed: int,
    threads: int,
    pretrained: tuple[nn.Module, ModelCard] | None = None,
    **options: Any,
) -> Found:
    """Fit one of scikit-learn's models.

    The same bits come for the same seed and number of threads.

    Args:
        inputs: (N, C, H, W) or (N, F) float32, as a network meets them: scaled and normalised.
        labels: (N,) int64, class indices; None for kmeans, which needs none.
        name: logistic, forest or kmeans.
        outputs: number of classes.
        seed: of whatever the model draws.
        threads: CPU threads; 0 means all.
        pretrained: a network and its card, whose features kmeans compares where `features` says so.
        options: the section's further keys.

    Returns:
        The weights, and the architecture with which `models.build` makes the module that takes them.

    Raises:
        UserError: the examples lack a class or are fewer than the clusters, or there is no network to take features of.
    """
    threads = threads or os.cpu_count() or 1
    with in_one_go(f"{name} on {len(inputs)} examples", threads):
        if name == "kmeans":
            return fit_kmeans(inputs, pretrained, seed, threads, **options)
        assert labels is not None
        check_classes(name, labels, outputs)
        return CLASSIFIERS[name](inputs.flatten(1).numpy(), labels, seed, threads, **options)


def check_classes(name: str, labels: Array, outputs: int) -> None:
    """Check that no class is absent, which would move the columns of those that follow.

    Raises:
        UserError: one is, or there is nothing to tell apart.
    """
    found = np.unique(labels)
    if len(found) < max(outputs, 2):
        raise UserError(
            f"model.name={name}: the training examples have {len(found)} of {outputs} classes; it needs examples of "
            "each, and two classes at least"
        )


def fit_logistic(rows: Array, labels: Array, seed: int, threads: int, *, c: float) -> Found:
    """Logistic regression with L2 regularisation, by L-BFGS, which draws nothing: (N, F), (N,)."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=c, max_iter=STEPS).fit(rows, labels)
    if fitted.n_iter_.max() >= STEPS:
        say(
            f"logistic: not at its best after {STEPS} steps, and taken as it is; a smaller model.c or "
            "train.normalise=standard needs fewer"
        )
    return dense_weights(fitted)


def fit_forest(
    rows: Array, labels: Array, seed: int, threads: int, *, trees: int, max_depth: int | None, min_leaf: int
) -> Found:
    """A random forest: (N, F), (N,)."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        trees, max_depth=max_depth, min_samples_leaf=min_leaf, random_state=seed, n_jobs=threads
    )
    return forest_weights(forest.fit(rows, labels))


CLASSIFIERS: dict[str, Callable[..., Found]] = {"logistic": fit_logistic, "forest": fit_forest}


def fit_kmeans(
    inputs: Tensor,
    pretrained: tuple[nn.Module, ModelCard] | None,
    seed: int,
    threads: int,
    *,
    clusters: int,
    restarts: int,
    features: str,
    unit_length: bool,
) -> Found:
    """k-means, each restart on a thread of its own: (N, C, H, W) or (N, F)."""
    if clusters > len(inputs):
        raise UserError(f"model.clusters={clusters}: there are {len(inputs)} examples; accepted: up to {len(inputs)}")
    network, card = checked(inputs, pretrained) if features == "network" else (None, None)
    embedding = make_features(network, unit_length=unit_length).eval()
    rows = seen(embedding, inputs)
    # scikit-learn would share out the examples instead, and add up in the order in which threads happen to end.
    with ThreadPoolExecutor(threads) as pool:
        runs = list(pool.map(lambda each: one_start(rows, clusters, each), starts(seed, restarts)))
    best = min(runs, key=lambda run: float(run.inertia_))
    if (different := len(np.unique(best.labels_))) < clusters:
        say(f"kmeans: {different} of {clusters} clusters have examples, as there are no more different ones")
    return centre_weights(best, embedding, card, unit_length)


def starts(seed: int, restarts: int) -> list[int]:
    """A seed for each restart."""
    return [int(each) for each in np.random.SeedSequence(seed).generate_state(restarts)]


def one_start(rows: Array, clusters: int, seed: int) -> Any:
    """One run of k-means: (N, D)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # OpenMP's limit holds for the thread that sets it
        return KMeans(clusters, n_init=1, random_state=seed).fit(rows)


def checked(inputs: Tensor, pretrained: tuple[nn.Module, ModelCard] | None) -> tuple[nn.Module, ModelCard]:
    """The pretrained network and its card, if it can look at these examples.

    Raises:
        UserError: there is no network, or it takes other examples.
    """
    if pretrained is None:
        raise UserError("model.features=network: there is no pretrained network; choose one, or model.features=raw")
    card = pretrained[1]
    if (shape := tuple(inputs.shape[1:])) != network_shape(card.input_shape):
        raise UserError(
            f"model.features=network: the examples are {shape}, and the pretrained network takes "
            f"{network_shape(card.input_shape)}; choose another, or model.features=raw"
        )
    return pretrained


@torch.inference_mode()
def seen(network: nn.Module, inputs: Tensor) -> Array:
    """The features of all examples, a batch at a time: (N, ...) → (N, D)."""
    rows: Array = torch.cat([network(batch) for batch in torch.split(inputs, BATCH)]).numpy()
    return rows
