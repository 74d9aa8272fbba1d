"""Examples that cover the features of the pool. Pure functions of arrays.

k-centre greedy: Sener and Savarese, "Active learning for convolutional neural networks: a core-set approach", ICLR
2018. TypiClust: Hacohen, Dekel and Weinshall, "Active learning on a budget: opposite strategies suit high and low
budgets", ICML 2022.
"""

import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from sprout.data.store import Array

MOST_CLUSTERS = 500
"""More of them would have too few examples, and take too long to find."""
ITERATIONS = 20
"""Of k-means, at most; later ones move few examples."""


def unit_length(features: Array) -> Array:
    """Scale features, so that their distances depend on their cosine similarity alone: (N, D), zeros stay."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    scaled: Array = features / np.where(lengths > 0, lengths, 1)
    return scaled


def farthest(features: Array, labelled: Array, count: int, seed: int) -> Array:
    """The example that is farthest from all labelled and selected ones, one after the other: (count,) int64 rows.

    Args:
        features: (N, D), N at least `count`.
        labelled: (L, D); where there is none, the first example is drawn.
        count: of rows.
        seed: of that draw.
    """
    nearest = np.full(len(features), np.inf, np.float32)
    for known in labelled:
        nearest = np.minimum(nearest, squared_distances(features, known))
    selected = np.empty(count, np.int64)
    for place in range(count):
        drawn = place == 0 and len(labelled) == 0
        row = np.random.default_rng(seed).integers(len(features)) if drawn else nearest.argmax()
        nearest = np.minimum(nearest, squared_distances(features, features[row]))
        nearest[row] = -1  # behind its duplicates, which are at a distance of 0
        selected[place] = row
    return selected


def typical(features: Array, labelled: Array, count: int, neighbours: int, seed: int) -> Array:
    """The most typical example of each cluster without a label, large clusters first: (count,) int64 rows.

    There are as many clusters as there will be labels. Where none is left without a label, the next example is of those
    with the fewest labels.

    Args:
        features: (N, D), N at least `count`.
        labelled: (L, D), which are in the clusters, too.
        count: of rows.
        neighbours: an example is typical by the mean distance to so many of its cluster.
        seed: of k-means.
    """
    number = min(len(labelled) + count, MOST_CLUSTERS, len(features))
    assigned = clusters(np.concatenate([features, labelled]), number, seed)
    of_pool, of_labelled = assigned[: len(features)], assigned[len(features) :]
    sizes, labels = (np.bincount(each, minlength=number) for each in (of_pool, of_labelled))
    ranked: dict[int, Iterator[int]] = {}
    selected = np.empty(count, np.int64)
    for place in range(count):
        cluster = int(np.lexsort((-sizes, labels, sizes == 0))[0])
        if cluster not in ranked:
            rows = np.flatnonzero(of_pool == cluster)
            ranked[cluster] = iter(rows[by_typicality(features[rows], neighbours)])
        selected[place] = next(ranked[cluster])
        labels[cluster] += 1
        sizes[cluster] -= 1
    return selected


def clusters(rows: Array, number: int, seed: int) -> Array:
    """The cluster of each row, by k-means: (M, D) → (M,) in 0..number; some are empty where rows are equal."""
    with threadpool_limits(1), warnings.catch_warnings():  # one thread: the same bits
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters
        assigned: Array = KMeans(number, n_init=1, max_iter=ITERATIONS, random_state=seed).fit_predict(rows)
    return assigned


def by_typicality(features: Array, neighbours: int) -> Array:
    """Rows of a cluster, the most typical first: (n, D) → (n,) int64."""
    others = min(neighbours, len(features) - 1)
    if others == 0:
        return np.zeros(len(features), np.int64)
    with threadpool_limits(1):
        search = NearestNeighbors(n_neighbors=others, algorithm="brute").fit(features)
        distances, _ = search.kneighbors()
    order: Array = np.argsort(distances.mean(axis=1), kind="stable")
    return order


def squared_distances(features: Array, to: Array) -> Array:
    """(N, D), (D,) → (N,)."""
    found: Array = np.square(features - to).sum(axis=1)
    return found
