"""k-means by scikit-learn, on examples or on the features of a network, as a torch module."""

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sprout.data.store import Array
from sprout.models.build import build_network
from sprout.models.estimator_weights import centre_weights
from sprout.models.features import features as make_features
from sprout.models.normalise import network_inputs, network_shape
from sprout.runtime.progress import announced

if TYPE_CHECKING:
    from sprout.data.dataset import Examples
    from sprout.models.card import ModelCard

BATCH = 1000
"""Examples whose features are computed together."""


def kmeans_model(
    train: "Examples",
    card: "ModelCard",
    features: "tuple[nn.Module, ModelCard] | None",
    *,
    clusters: int,
    restarts: int,
    unit_length: bool,
    seed: int,
    threads: int,
) -> "tuple[nn.Module, ModelCard]":
    """A model that assigns examples to the clusters that k-means finds among the training examples.

    The same seed and number of threads give the same bits.

    Args:
        train: the training examples, which all come into memory.
        card: of the model, before training.
        features: the network whose features are clustered, with its card; None clusters the examples themselves.
        clusters: groups to find.
        restarts: random initialisations; the tightest clusters are kept.
        unit_length: whether features are scaled to length 1, so that only their direction counts.
        seed: of the initialisations.
        threads: CPU threads.
    """
    network, architecture = (features[0], features[1].architecture) if features else (None, None)
    embedding = make_features(network, unit_length=unit_length).eval()
    inputs = network_inputs(train.take(np.arange(len(train))), card.mean, card.std)
    best = fit_kmeans(features_of(embedding, inputs), clusters, restarts, seed, threads)
    if (used := len(np.unique(best.labels_))) < clusters:
        line = f"kmeans: {used} of {clusters} clusters have examples: there are fewer different examples than clusters"
        print(line, file=sys.stderr, flush=True)
    weights, fitted = centre_weights(best, embedding, architecture, unit_length)
    model = build_network(network_shape(card.input_shape), len(card.classes), fitted)
    model.load_state_dict(weights)
    return model.eval(), replace(card, architecture=fitted)


def features_of(network: nn.Module, inputs: Tensor) -> Array:
    """Compute the features of all examples in batches: (N, …) → (N, D) float32."""

    with torch.inference_mode():
        rows: Array = torch.cat([network(batch) for batch in torch.split(inputs, BATCH)]).numpy()
    return rows


def fit_kmeans(rows: Array, clusters: int, restarts: int, seed: int, threads: int) -> Any:
    """The best of several runs of scikit-learn's KMeans, each on a thread of its own: (N, D) float32."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    def run(start: int) -> Any:
        with threadpool_limits(1):  # OpenMP's limit holds for the thread that sets it
            return KMeans(clusters, n_init=1, random_state=start).fit(rows)

    starts = [int(each) for each in np.random.SeedSequence(seed).generate_state(restarts)]
    # scikit-learn would divide the examples among threads, and add up in the order in which these end.
    with (
        announced(f"kmeans on {len(rows)} examples"),
        no_convergence_warning(),
        threadpool_limits(threads),
        ThreadPoolExecutor(threads) as pool,
    ):
        runs = list(pool.map(run, starts))
    return min(runs, key=lambda fitted: float(fitted.inertia_))


@contextmanager
def no_convergence_warning() -> Iterator[None]:
    """Silence scikit-learn's warning about a fit that has not converged; the caller prints a line of its own."""

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
