"""Models that scikit-learn fits in a single call, turned into torch modules with the same outputs."""

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT
from sprout.config.model import Estimator, Forest, KMeans, Logistic
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task
from sprout.tasks.classify import Classify
from sprout.tasks.cluster import Cluster, check_clusters

if TYPE_CHECKING:
    from torch import nn

    from sprout.data.dataset import Examples
    from sprout.data.store import Array
    from sprout.models.card import ModelCard
    from sprout.models.estimator_weights import FittedModel

STEPS = 1000
"""Iterations of logistic regression, at most."""


@dataclass(frozen=True, config=STRICT)
class ScikitLearn:
    kind: Literal["scikit_learn"]
    """A model that scikit-learn fits in a single call; of a classifier, `weight` of the label table counts."""

    name: ClassVar[str] = "scikit_learn"


def task_of(model: Estimator) -> type[Task]:
    """The task of a model."""
    return Cluster if isinstance(model, KMeans) else Classify


def fit_estimator(
    model: Estimator,
    train: "Examples",
    card: "ModelCard",
    features: "tuple[nn.Module, ModelCard] | None",
    *,
    seed: int,
    threads: int,
) -> "tuple[nn.Module, ModelCard]":
    """Fit a model, and return the torch module that gives the same outputs, in evaluation mode, and its card.

    The same seed and number of threads give the same bits.

    Args:
        model: what to fit.
        train: the training examples, which are all loaded into memory.
        card: of the model, before training.
        features: a pretrained network and its card, for k-means with `features: network`.
        seed: of the random numbers of the fit.
        threads: CPU threads; 0 means all.

    Raises:
        UserError: a class has no example, there are fewer examples than clusters, or there is no pretrained network.
    """
    threads = threads or os.cpu_count() or 1
    if isinstance(model, KMeans):
        return fit_clusters(model, train, card, features, seed=seed, threads=threads)
    return fit_classifier(model, train, card, seed=seed, threads=threads)


def fit_clusters(
    model: KMeans,
    train: "Examples",
    card: "ModelCard",
    features: "tuple[nn.Module, ModelCard] | None",
    *,
    seed: int,
    threads: int,
) -> "tuple[nn.Module, ModelCard]":
    """k-means on the examples, or on a pretrained network's features."""
    from sprout.models.kmeans import kmeans_model

    check_clusters("model.clusters", model.clusters, len(train))
    used = required_features(train.shape, features) if model.features == "network" else None
    if used is not None:  # the examples are scaled as in its training
        card = replace(card, mean=used[1].mean, std=used[1].std)
    return kmeans_model(
        train,
        card,
        used,
        clusters=model.clusters,
        restarts=model.restarts,
        unit_length=model.unit_length,
        seed=seed,
        threads=threads,
    )


def required_features(
    shape: tuple[int, ...], features: "tuple[nn.Module, ModelCard] | None"
) -> "tuple[nn.Module, ModelCard]":
    """Return the pretrained network and its card; it must take examples of this shape, (H, W, C) or (F,).

    Raises:
        UserError: there is no network, or it takes other shapes.
    """
    if features is None:
        raise UserError("model.features=network: there is no pretrained network; choose one, or model.features=raw")
    if list(shape) != features[1].input_shape:
        raise UserError(
            f"model.features=network: the examples are {shape}, and the pretrained network takes "
            f"{tuple(features[1].input_shape)}; choose another, or model.features=raw"
        )
    return features


def fit_classifier(
    model: Logistic | Forest, train: "Examples", card: "ModelCard", *, seed: int, threads: int
) -> "tuple[nn.Module, ModelCard]":
    """A classifier on the flattened examples."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from sprout.models.build import build_network
    from sprout.models.kmeans import no_convergence_warning
    from sprout.models.normalise import network_inputs, network_shape
    from sprout.runtime.progress import announced

    check_classes(model.name, train.targets, len(card.classes))
    rows = network_inputs(train.take(np.arange(len(train))), card.mean, card.std).flatten(1).numpy()
    counts = train.column("weight")
    sample_weight = None if (counts == 1).all() else counts
    with announced(f"{model.name} on {len(train)} examples"), threadpool_limits(threads), no_convergence_warning():
        if isinstance(model, Logistic):
            weights, architecture = fit_logistic(model, rows, train.targets, sample_weight)
        else:
            weights, architecture = fit_forest(model, rows, train.targets, sample_weight, seed, threads)
    network = build_network(network_shape(card.input_shape), len(card.classes), architecture)
    network.load_state_dict(weights)
    return network.eval(), replace(card, architecture=architecture)


def check_classes(name: str, labels: "Array", classes: int) -> None:
    """Check that each class has an example: scikit-learn leaves out a class without one, which shifts the others.

    Raises:
        UserError: a class has none, or there are fewer than two classes.
    """
    found = len(set(labels.tolist()))
    if found < max(classes, 2):
        raise UserError(
            f"model.name={name}: the training examples have {found} of {classes} classes; it needs examples of each, "
            "and two classes at least"
        )


def fit_logistic(
    model: Logistic, rows: "Array", labels: "Array", sample_weight: "Array | None" = None
) -> "FittedModel":
    """Logistic regression with L2 regularisation, by L-BFGS, which is deterministic: (N, F), (N,), (N,)."""
    from sklearn.linear_model import LogisticRegression

    from sprout.models.estimator_weights import dense_weights

    fitted = LogisticRegression(C=model.c, max_iter=STEPS).fit(rows, labels, sample_weight)
    if fitted.n_iter_.max() >= STEPS:
        print(
            f"{model.name}: not converged after {STEPS} iterations, kept as it is; a smaller model.c or "
            "train.normalise=standard converges faster",
            file=sys.stderr,
            flush=True,
        )
    return dense_weights(fitted)


def fit_forest(
    model: Forest, rows: "Array", labels: "Array", sample_weight: "Array | None", seed: int, threads: int
) -> "FittedModel":
    """A random forest: (N, F), (N,), (N,)."""
    from sklearn.ensemble import RandomForestClassifier

    from sprout.models.estimator_weights import forest_weights

    forest = RandomForestClassifier(
        model.trees,
        max_depth=model.max_depth,
        min_samples_leaf=model.min_leaf,
        random_state=seed,
        n_jobs=threads,
    )
    return forest_weights(forest.fit(rows, labels, sample_weight))
