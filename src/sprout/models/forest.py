"""A random forest as a torch module: the decisions that scikit-learn found, taken for many examples at once."""

import torch
from torch import Tensor, nn
from torch.nn import functional

FLOOR = 1e-9
"""A class that no tree thinks of keeps this probability, since the logarithm of 0 is no number to go on with."""


class Forest(nn.Module):
    """Trees of decisions `feature <= threshold` (Breiman, "Random forests", 2001).

    The nodes of all trees are numbered together: first the leaves, then the splits. A leaf's number is thus the row of
    its class probabilities, and a number from `leaves` on says that the way goes on.
    """

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    probabilities: Tensor

    def __init__(
        self, input_shape: tuple[int, ...], outputs: int, *, trees: int, splits: int, leaves: int, depth: int
    ) -> None:
        """Make room for the decisions.

        Args:
            input_shape: of one example; a split counts its features in the order in which it is flattened.
            outputs: number of classes.
            trees: how many there are.
            splits: of all trees together.
            leaves: likewise.
            depth: decisions on the longest way from a root to a leaf.
        """
        super().__init__()
        self.depth = depth
        self.register_buffer("roots", torch.zeros(trees, dtype=torch.int64))
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(splits, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(splits))
        # As scikit-learn has them: in single precision, the mean over many trees could lose who is ahead.
        self.register_buffer("probabilities", torch.zeros(leaves, outputs, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, H, W) or (N, F) → (N, outputs): the logarithm of the trees' mean probabilities."""
        rows = inputs.flatten(1).to(self.threshold.dtype)
        mean = functional.embedding_bag(self.arrive(rows), self.probabilities, mode="mean")
        return mean.clamp(min=FLOOR).log().to(rows.dtype)

    def arrive(self, rows: Tensor) -> Tensor:
        """The leaf that each example reaches in each tree: (N, F) → (N, trees)."""
        leaves = len(self.probabilities)
        at = self.roots.expand(len(rows), -1)
        for _ in range(self.depth):
            split = (at - leaves).clamp(min=0)  # who has arrived decides on something, and stays
            below = rows.gather(1, self.feature[split]) <= self.threshold[split]
            at = torch.where(at < leaves, at, torch.where(below, self.left[split], self.right[split]))
        return at
