"""Figures of clusters against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from sprout.metrics import clustering_metrics
from sprout.metrics.clustering import contingency


def case(seed, classes, clusters, n, noise):
    """Clusters that follow the classes, but for a share of chance."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    drawn = generator.integers(0, clusters, n)
    return np.where(generator.uniform(size=n) < noise, drawn, labels % clusters), labels


@pytest.mark.parametrize(
    "which", [(0, 4, 4, 300, 0.3), (1, 10, 3, 300, 0.1), (2, 3, 12, 50, 1.0), (3, 5, 5, 99, 0.0), (4, 1, 4, 20, 1.0)]
)
def test_figures(which):
    clusters, labels = case(*which)
    distances = np.random.default_rng(0).uniform(0, 9, len(labels)).astype(np.float32)
    found = clustering_metrics(clusters, distances, labels)
    table = contingency_matrix(labels, clusters)
    np.testing.assert_array_equal(contingency(labels, clusters), table)
    assert found == pytest.approx(
        {
            "inertia": distances.mean(),
            "clusters": len(np.unique(clusters)),
            "purity": table.max(axis=0).sum() / len(labels),
            "nmi": normalized_mutual_info_score(labels, clusters),
        },
        abs=1e-12,
        rel=1e-6,
    )


def test_one_class_in_one_cluster_is_told_apart_perfectly():
    same = np.zeros(5, int)
    found = clustering_metrics(same, np.ones(5), same)
    assert (found["purity"], found["nmi"]) == (1.0, 1.0) == (1.0, normalized_mutual_info_score(same, same))


def test_only_known_classes_count():
    clusters, labels = np.array([0, 0, 1, 1]), np.array([2, -1, 1, -1])
    assert clustering_metrics(clusters, np.ones(4), labels) == {"inertia": 1, "clusters": 2, "purity": 1, "nmi": 1}
    unknown = clustering_metrics(clusters, np.ones(4), np.full(4, -1))
    assert unknown == {"inertia": 1, "clusters": 2, "purity": None, "nmi": None}


def test_no_example_has_no_figure():
    none = np.zeros(0, int)
    assert clustering_metrics(none, none, none) == {"inertia": None, "clusters": 0, "purity": None, "nmi": None}
