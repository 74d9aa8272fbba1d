"""Clustering: groups of similar examples, found by k-means on features; needs no labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count
from sprout.runtime.errors import UserError
from sprout.tasks.base import Task
from sprout.tasks.confusion import write_confusion
from sprout.tasks.interfaces import Criterion, Limits, TrainedModel
from sprout.tasks.scores import Metrics, Score

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

    from sprout.data.dataset import Examples
    from sprout.data.store import Array, Store
    from sprout.models.card import ModelCard

OUTCOME = [("cluster", "int64"), ("distance", "float32")]
"""What is kept of an example: the nearest centre, and the squared distance to it."""


@dataclass(frozen=True, config=STRICT)
class Cluster(Task):
    kind: Literal["cluster"]
    """Groups of similar examples; needs no labels. A network learns features by a method such as contrastive;
    k-means groups what it computes just before its last dense layer."""
    clusters: Count
    """Groups to find."""
    restarts: Count
    """Random initialisations of k-means (k-means++); the tightest clusters are kept."""

    name: ClassVar[str] = "cluster"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("clusters", "Clusters used", "count", True),
        Score("inertia", "Inertia", "compact", False),
        Score("purity", "Purity", "share", True),
        Score("nmi", "Normalised mutual information", "decimal", True),
    )
    curves: ClassVar[tuple[tuple[str, str, str], ...]] = (("loss", "Loss", "Loss (nats)"),)
    meaning: ClassVar[str | None] = (
        "Inertia: mean squared distance to the nearest centre. Purity: the share of examples that have the "
        "most frequent class of their cluster; it rises with the number of clusters. Normalised mutual information: 0 "
        "where cluster and class are independent, 1 where one determines the other."
    )
    mlflow_type: ClassVar[str] = "clusterer"
    learns_features: ClassVar[bool] = True

    def check(self, section: str, train: "Examples") -> None:
        """Check that there are as many examples as clusters."""
        super().check(section, train)
        check_clusters(f"{section}.task.clusters", self.clusters, len(train))

    def criterion(self, train: "Examples", card: "ModelCard") -> Criterion:
        """Not available: the method that learns the features has a loss of its own."""
        raise TypeError(f"{self.name}: has no loss; a method that learns features has one")

    def final_model(
        self, network: "nn.Module", card: "ModelCard", train: "Examples", *, seed: int, threads: int
    ) -> "tuple[nn.Module, ModelCard]":
        """k-means on the directions of the network's features."""
        from sprout.models.kmeans import kmeans_model

        return kmeans_model(
            train,
            card,
            (network, card),
            clusters=self.clusters,
            restarts=self.restarts,
            unit_length=True,
            seed=seed,
            threads=threads,
        )

    def describe_outputs(self, classes: int) -> str:
        """The clusters."""
        return f"features for {self.clusters} clusters"

    @classmethod
    def predictions(cls, outputs: "Array", card: "ModelCard") -> "Array":
        """(N, clusters) negative squared distances → (N,) int64, the nearest centre."""
        nearest: Array = outputs.argmax(axis=1)
        return nearest

    @classmethod
    def exported(cls, outputs: "Tensor", card: "ModelCard") -> "Tensor":
        """(N, clusters) negative squared distances → (N,) int64, the nearest centre."""
        return outputs.argmax(dim=1)

    @classmethod
    def outcomes(cls, examined: "Array", card: "ModelCard", labels: "Array") -> "Array":
        """(N, clusters) negative squared distances → (N,) of the fields `OUTCOME`."""
        import numpy as np

        found: Array = np.empty(len(examined), OUTCOME)
        found["cluster"], found["distance"] = examined.argmax(axis=1), -examined.max(axis=1)
        return found

    @classmethod
    def metrics(cls, outcomes: "Array", card: "ModelCard", store: "Store", bins: int) -> Metrics:
        """See `clustering_metrics`."""
        from sprout.data.store import class_indices

        return clustering_metrics(*columns_of(outcomes), class_indices(store.labels))

    @classmethod
    def summary(cls, metrics: Metrics, examples: int, *, crossed: bool = False) -> str:
        """The inertia."""
        return f"inertia {metrics['inertia']:.4g}"

    @classmethod
    def write_evaluation(
        cls,
        folder: Path,
        models: Mapping[str, TrainedModel],
        test: "Store",
        outcomes: "Mapping[str, Array]",
        limits: Limits,
    ) -> "pa.Table":
        """Write the cluster of each example whose class is known; return a row for each test example, of the student.

        The columns are `row`, `label`, null where it is not known, `cluster`, and `distance`, the squared distance to
        the centre.
        """
        import numpy as np
        import pyarrow as pa

        from sprout.data.store import class_indices

        (clusters, distances), classes = columns_of(outcomes["student"]), models["student"].card.classes
        labels = class_indices(test.labels)
        known = np.flatnonzero(labels >= 0)
        names = [f"cluster {cluster}" for cluster in clusters[known]]
        write_confusion(folder, [classes[label] for label in labels[known]], names)
        columns = {"row": np.arange(len(test)), "label": test.labels["label"]}
        return pa.table(columns | {"cluster": clusters, "distance": distances})

    @classmethod
    def signature(cls, input_shape: list[int], classes: list[str]) -> tuple[str, tuple[int, ...]]:
        """(N,) clusters."""
        return "int64", (-1,)

    @classmethod
    def printed_columns(cls, top: int) -> list[str]:
        """The cluster."""
        return ["cluster"]

    @classmethod
    def printed_prediction(cls, prediction: Any, classes: list[str], top: int) -> dict[str, Any]:
        """The cluster's number."""
        return {"cluster": int(prediction)}

    @classmethod
    def prediction_columns(cls, predictions: "Array", classes: list[str]) -> "dict[str, pa.Array]":
        """The column `cluster`."""
        import pyarrow as pa

        return {"cluster": pa.array(predictions)}

    @classmethod
    def page(cls, inputs: Any, prepared: Path, examples: int) -> dict[str, Any]:
        """The sizes of the clusters, their classes, and the examples nearest to their centres."""
        from sprout.report.pages.cluster import page

        return page(inputs, prepared, examples)


def columns_of(outcomes: "Array") -> "tuple[Array, Array]":
    """The clusters, (N,) int64, and the squared distances to their centres, (N,) float32."""
    return outcomes["cluster"].copy(), outcomes["distance"].copy()


def check_clusters(key: str, clusters: int, examples: int) -> None:
    """Check that there are as many examples as clusters.

    Raises:
        UserError: there are fewer.
    """
    if clusters > examples:
        raise UserError(f"{key}={clusters}: there are {examples} training examples; accepted: up to {examples}")


def clustering_metrics(clusters: "Array", distances: "Array", labels: "Array") -> Metrics:
    """Return how tight the clusters are, how many are used, and how well they match the classes.

    Args:
        clusters: (N,) int, the nearest centre of each example.
        distances: (N,) squared distance to it.
        labels: (N,) int class indices, −1 where the class is not known.

    Returns:
        `inertia`, the mean squared distance, None without examples; `clusters`, how many have an example; `purity`, the
        share of examples that have the most frequent class of their cluster, and `nmi`, the normalised mutual
        information with the arithmetic mean (Strehl and Ghosh, JMLR 2002), both None where no class is known.
    """
    import numpy as np
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    known = labels >= 0
    some = bool(known.any())
    return {
        "inertia": float(distances.mean(dtype="float64")) if len(distances) else None,
        "clusters": len(np.unique(clusters)),
        "purity": float(contingency_matrix(labels[known], clusters[known]).max(axis=0).sum() / known.sum())
        if some
        else None,
        "nmi": float(normalized_mutual_info_score(labels[known], clusters[known])) if some else None,
    }
