"""Figures of clusters, of themselves and against classes that the clustering has not seen."""

import numpy as np

from sprout.data.store import Array


def clustering_metrics(clusters: Array, distances: Array, labels: Array) -> dict[str, float | None]:
    """How tight the clusters are, how many are used, and how far they are the classes.

    Args:
        clusters: (N,) int, the nearest centre of each example.
        distances: (N,) squared distance to it.
        labels: (N,) int class indices, −1 where the class is not known.

    Returns:
        `inertia`, the mean squared distance, None without examples; `clusters`, how many have an example; `purity` and
        `nmi`, see below, None where no class is known.
    """
    known = labels >= 0
    table = contingency(labels[known], clusters[known])
    return {
        "inertia": float(distances.mean(dtype="float64")) if len(distances) else None,
        "clusters": len(np.unique(clusters)),
        "purity": purity(table) if table.size else None,
        "nmi": normalised_mutual_information(table) if table.size else None,
    }


def contingency(rows: Array, columns: Array) -> Array:
    """How many examples there are of each pair: two (N,) int → (R, C) int64, of the R and C numbers that occur."""
    if not len(rows):
        return np.zeros((0, 0), np.int64)
    ((_, row), (_, column)) = (np.unique(each, return_inverse=True) for each in (rows, columns))
    wide = int(column.max()) + 1
    return np.bincount(row * wide + column, minlength=(int(row.max()) + 1) * wide).reshape(-1, wide)


def purity(table: Array) -> float:
    """The share of examples that have the commonest class of their cluster: (classes, clusters) counts → 0..1."""
    return float(table.max(axis=0).sum() / table.sum())


def normalised_mutual_information(table: Array) -> float:
    """What class and cluster tell about each other, as a share of the mean of what either is uncertain of: 0..1.

    Strehl and Ghosh, "Cluster ensembles", JMLR 2002, with the arithmetic mean of the two entropies; 1 where there is
    one class and one cluster.

    Args:
        table: (classes, clusters) counts.
    """
    share = table / table.sum()
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    mean = (entropy(rows) + entropy(columns)) / 2
    if mean == 0:
        return 1.0
    mutual = entropy(rows) + entropy(columns) - entropy(share.ravel())
    return float(np.clip(mutual / mean, 0, 1))


def entropy(shares: Array) -> float:
    """Of a distribution, in nats: (K,), sums to 1."""
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())
