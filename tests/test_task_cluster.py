"""The task cluster: k-means as scikit-learn has it, on the features of a network; its metrics."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from estimators import digits, one_run, pretrained, runs, seeds, table_of
from handmade import card, model
from handmade import outcomes as kept
from sprout.data.dataset import Examples
from sprout.data.store import Store, class_indices
from sprout.models.kmeans import features_of, fit_kmeans, kmeans_model
from sprout.models.normalise import network_inputs
from sprout.runtime.errors import UserError
from sprout.tasks import Cluster
from sprout.tasks.cluster import (
    check_clusters,
    clustering_metrics,
)
from sprout.tasks.interfaces import Limits

SHAPE = (4, 3, 2)
GROUPING: dict[str, Any] = {"clusters": 10, "restarts": 3, "unit_length": False, "seed": 0, "threads": 1}


def task(clusters: int = 10, restarts: int = 3) -> Cluster:
    return Cluster(kind="cluster", clusters=clusters, restarts=restarts)


# Metrics.


def case(seed: int, classes: int, clusters: int, n: int, noise: float) -> tuple[Any, Any]:
    """Clusters that follow the classes, but for a random share."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    drawn = generator.integers(0, clusters, n)
    return np.where(generator.uniform(size=n) < noise, drawn, labels % clusters), labels


CASES = [(0, 4, 4, 300, 0.3), (1, 10, 3, 300, 0.1), (2, 3, 12, 50, 1.0), (3, 5, 5, 99, 0.0), (4, 1, 4, 20, 1.0)]


@pytest.mark.parametrize("which", CASES, ids=str)
def test_the_metrics_are_scikit_learns(which: tuple[int, int, int, int, float]) -> None:
    clusters, labels = case(*which)
    distances = np.random.default_rng(0).uniform(0, 9, len(labels)).astype(np.float32)
    table = contingency_matrix(labels, clusters)
    assert clustering_metrics(clusters, distances, labels) == pytest.approx(
        {
            "inertia": distances.mean(),
            "clusters": len(np.unique(clusters)),
            "purity": table.max(axis=0).sum() / len(labels),
            "nmi": normalized_mutual_info_score(labels, clusters),
        },
        abs=1e-12,
        rel=1e-6,
    )


def test_one_class_in_one_cluster_is_a_perfect_match() -> None:
    same = np.zeros(5, int)
    found = clustering_metrics(same, np.ones(5), same)
    assert (found["purity"], found["nmi"]) == (1.0, 1.0) == (1.0, normalized_mutual_info_score(same, same))


def test_only_known_classes_count() -> None:
    clusters, labels = np.array([0, 0, 1, 1]), np.array([2, -1, 1, -1])
    assert clustering_metrics(clusters, np.ones(4), labels) == {"inertia": 1, "clusters": 2, "purity": 1, "nmi": 1}
    unknown = clustering_metrics(clusters, np.ones(4), np.full(4, -1))
    assert unknown == {"inertia": 1, "clusters": 2, "purity": None, "nmi": None}


def test_without_an_example_there_are_no_metrics() -> None:
    none = np.zeros(0, int)
    assert clustering_metrics(none, none, none) == {"inertia": None, "clusters": 0, "purity": None, "nmi": None}


@pytest.fixture
def store(make_store: Any) -> Store:
    """Four images, of which the second one's class is not known."""
    store: Store = make_store(4, shape=SHAPE, labels=[0, None, 2, 1])
    return store


def test_classes_that_are_known(store: Store) -> None:
    assert class_indices(store.labels).tolist() == [0, -1, 2, 1]


def test_the_metrics_of_a_store(store: Store) -> None:
    predictor = model("cluster", SHAPE)
    outputs = predictor.outputs(store.take(np.arange(4)))
    expected = clustering_metrics(outputs.argmax(axis=1), -outputs.max(axis=1), np.array([0, -1, 2, 1]))
    assert Cluster.metrics(kept(predictor, store), predictor.card, store, 5) == pytest.approx(expected)


def test_an_empty_store_has_no_metrics(make_store: Any) -> None:
    predictor, store = model("cluster", SHAPE), make_store(0, shape=SHAPE)
    found = Cluster.metrics(kept(predictor, store), predictor.card, store, 5)
    assert found == {"inertia": None, "clusters": 0, "purity": None, "nmi": None}


def test_an_evaluation(store: Store, tmp_path: Path) -> None:
    models = {"teacher": model("cluster", SHAPE), "student": model("cluster", SHAPE, seed=1)}
    found = {role: kept(each, store) for role, each in models.items()}
    table = Cluster.write_evaluation(tmp_path, models, store, found, Limits(bins=5, examples=0)).to_pydict()
    outputs = models["student"].outputs(store.take(np.arange(4)))
    assert list(table) == ["row", "label", "cluster", "distance"]
    assert (table["row"], table["label"]) == ([0, 1, 2, 3], [0, None, 2, 1])
    assert table["cluster"] == outputs.argmax(axis=1).tolist()
    assert table["distance"] == pytest.approx(-outputs.max(axis=1))
    with (tmp_path / "confusion.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = [("a", table["cluster"][0]), ("c", table["cluster"][2]), ("b", table["cluster"][3])]
    assert rows == [{"actual": name, "predicted": f"cluster {cluster}"} for name, cluster in pairs]


# Settings.


def test_more_clusters_than_examples_are_refused(make_store: Any) -> None:
    train = Examples.of(make_store(9))
    task(9).check("train", train)
    with pytest.raises(UserError, match=r"^train\.task\.clusters=10: .*9"):
        task(10).check("train", train)
    check_clusters("key", 3, 3)
    with pytest.raises(UserError, match=r"^key=4: .*up to 3"):
        check_clusters("key", 4, 3)


def test_it_has_no_loss_of_its_own() -> None:
    with pytest.raises(TypeError, match="cluster"):
        task().criterion(Examples([]), card("cluster", SHAPE))
    assert (Cluster.learns_features, Cluster.column, Cluster.epoch_metric) == (True, None, None)


def test_predictions_are_the_nearest_centres() -> None:
    outputs = np.array([[-4.0, -1.0, -9.0], [-0.5, -1.0, -2.0]], np.float32)
    found = Cluster.predictions(outputs, card("cluster", SHAPE))
    assert (found.tolist(), found.dtype) == ([1, 0], np.int64)


def test_what_users_are_shown() -> None:
    assert task().describe_outputs(3) == "features for 10 clusters"
    assert Cluster.summary({"inertia": 12.3456}, 5) == "inertia 12.35"
    assert Cluster.signature([8, 8, 1], []) == ("int64", (-1,))
    assert Cluster.printed_columns(3) == ["cluster"]
    assert Cluster.printed_prediction(np.int64(7), [], 3) == {"cluster": 7}


# k-means.


def test_the_tightest_of_several_runs_is_kept() -> None:
    rows = np.random.default_rng(0).random((300, 8)).astype(np.float32)
    inertias = [run.inertia_ for run in runs(rows, 10, 8)]
    assert fit_kmeans(rows, 10, 8, 0, 1).inertia_ == min(inertias) < max(inertias)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_seed_gives_scikit_learns_own_result_on_any_number_of_threads(threads: int) -> None:
    rows = np.random.default_rng(0).random((300, 8)).astype(np.float32)
    expected = KMeans(10, n_init=1, random_state=seeds(5, 1)[0]).fit(rows)
    np.testing.assert_array_equal(fit_kmeans(rows, 10, 1, 5, threads).cluster_centers_, expected.cluster_centers_)


def test_features_come_in_batches() -> None:
    inputs = torch.rand(2500, 3, 4)
    np.testing.assert_array_equal(features_of(torch.nn.Flatten(), inputs), inputs.flatten(1).numpy())


def test_clusters_of_the_examples_themselves(tmp_path: Path) -> None:
    examples, before = table_of(tmp_path)
    network, after = kmeans_model(examples, before, None, **GROUPING)
    inputs = network_inputs(examples.take(np.arange(len(examples))), before.mean, before.std)
    expected = min(runs(inputs.numpy(), 10, 3), key=lambda run: float(run.inertia_))
    outputs = network(inputs)
    assert not network.training
    assert (outputs.argmax(dim=1).numpy() == expected.predict(inputs.numpy())).all()
    assert np.allclose(-outputs.numpy(), expected.transform(inputs.numpy()) ** 2, rtol=1e-3, atol=1e-4)
    assert (after.architecture.name, after.mean) == ("kmeans", before.mean)


def test_the_model_of_a_trained_network_groups_the_directions_of_its_features(tmp_path: Path) -> None:
    examples, _ = digits(tmp_path)
    network, before = pretrained("cluster")
    found, after = task().final_model(network.eval(), before, examples, seed=0, threads=1)
    inputs = network_inputs(examples.take(np.arange(len(examples))), before.mean, before.std)
    features = torch.nn.functional.normalize(network[:-1](inputs), dim=1).detach().numpy()
    expected = min((one_run(features, 10, seed) for seed in seeds(0, 3)), key=lambda run: float(run.inertia_))
    assert (found(inputs).argmax(dim=1).numpy() == expected.predict(features)).all()
    assert after.architecture.name == "kmeans"
    assert network(inputs).shape == (len(examples), 10)  # the network itself is left as it was


def test_equal_examples_leave_clusters_empty_and_a_line_says_so(tmp_path: Path, capsys: Any) -> None:
    examples, before = table_of(tmp_path, np.ones((20, 2)))
    kmeans_model(examples, before, None, **GROUPING)
    assert "1 of 10 clusters" in capsys.readouterr().err
