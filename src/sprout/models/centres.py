"""The centres of clusters, as k-means finds them."""

from typing import Any

import torch
from torch import Tensor, nn

from sprout.models.features import features


class Centres(nn.Module):
    """How near an example is to each centre."""

    centres: Tensor

    def __init__(self, clusters: int, dimensions: int) -> None:
        """Make room for the centres."""
        super().__init__()
        self.register_buffer("centres", torch.zeros(clusters, dimensions))

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) → (N, clusters): minus the squared distance, so that the largest is the nearest."""
        # Without the product of matrices, in which near ones would differ by their rounding alone.
        return -torch.cdist(features, self.centres, compute_mode="donot_use_mm_for_euclid_dist").square()


def kmeans(
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    clusters: int,
    dimensions: int,
    unit_length: bool,
    embedding: dict[str, Any] | None,
) -> nn.Sequential:
    """Features, then centres: (N, C, H, W) or (N, F) → (N, clusters).

    Args:
        input_shape: of one example.
        outputs: of no use here: there may be more clusters than classes, or fewer.
        clusters: how many centres.
        dimensions: features of an example.
        unit_length: whether they are brought to length 1.
        embedding: the architecture of the network that makes the features; None where they are the example itself.
    """
    from sprout.models import build

    # The head goes, and with it the number of its outputs.
    network = None if embedding is None else build(input_shape, 1, **embedding)
    return nn.Sequential(features(network, unit_length=unit_length), Centres(clusters, dimensions))
