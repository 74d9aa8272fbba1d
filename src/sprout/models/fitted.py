"""What scikit-learn has fitted, as torch modules that work on a whole batch: a random forest, and k-means."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sprout.models.architecture import FittedForest, FittedKMeans
from sprout.models.features import features

FLOOR = 1e-9
"""The least probability that a forest gives a class, so that its logarithm is finite."""


class RandomForest(nn.Module):
    """Trees of decisions `feature <= threshold` (Breiman, "Random forests", 2001).

    The nodes of all trees are numbered together, first the leaves, then the splits: node `n` is row `n` of
    `probabilities` if it is a leaf, and row `n - leaves` of the decisions otherwise.
    """

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    probabilities: Tensor

    def __init__(self, outputs: int, config: FittedForest) -> None:
        """Allocate the decisions; a split counts an example's features in flattened order.

        Args:
            outputs: number of classes.
            config: the sizes.
        """
        super().__init__()
        self.depth = config.depth
        self.register_buffer("roots", torch.zeros(config.trees, dtype=torch.int64))
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(config.splits, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(config.splits))
        # float64 as in scikit-learn: a mean over many trees in float32 could swap the two most probable classes.
        self.register_buffer("probabilities", torch.zeros(config.leaves, outputs, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, H, W) or (N, F) → (N, outputs): the logarithm of the trees' mean probabilities."""
        rows = inputs.flatten(1).to(self.threshold.dtype)
        mean = functional.embedding_bag(self.reached_leaves(rows), self.probabilities, mode="mean")
        return mean.clamp(min=FLOOR).log().to(rows.dtype)

    def reached_leaves(self, rows: Tensor) -> Tensor:
        """The leaf that each example reaches in each tree: (N, F) → (N, trees) int64."""
        leaves = len(self.probabilities)
        node = self.roots.expand(len(rows), -1)
        for _ in range(self.depth):
            split = (node - leaves).clamp(min=0)  # a leaf takes any decision, and the result is dropped
            below = rows.gather(1, self.feature[split]) <= self.threshold[split]
            node = torch.where(node < leaves, node, torch.where(below, self.left[split], self.right[split]))
        return node


class Centres(nn.Module):
    """The centres of clusters, compared with features."""

    centres: Tensor

    def __init__(self, clusters: int, dimensions: int) -> None:
        """Allocate the centres, (clusters, dimensions)."""
        super().__init__()
        self.register_buffer("centres", torch.zeros(clusters, dimensions))

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) → (N, clusters): minus the squared distances, so that the nearest centre has the largest output."""
        # By differences: a matrix product would leave only rounding errors of small distances.
        return -torch.cdist(features, self.centres, compute_mode="donot_use_mm_for_euclid_dist").square()


class KMeansNetwork(nn.Sequential):
    """Features, then centres."""

    @property
    def encoder(self) -> nn.Module:
        """What makes the features."""
        return self[0]


def kmeans(network: nn.Module | None, config: FittedKMeans) -> KMeansNetwork:
    """Features, then centres: (N, C, H, W) or (N, F) → (N, clusters).

    Args:
        network: makes the features; None where the flattened example is compared.
        config: the sizes.
    """
    embedding = features(network, unit_length=config.unit_length)
    return KMeansNetwork(embedding, Centres(config.clusters, config.dimensions))
