"""What a training learns: the key `task` of `train` and `retrain`, whose own key `kind` says which it is."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, Share

Distance = Literal["mse", "mae", "huber"]
"""Mean squared error, mean absolute error, or squared near 0 and absolute beyond 1 (Huber, 1964)."""
FIGURES: dict[str, str | None] = {"classify": "accuracy", "regress": "mae", "reconstruct": None, "cluster": None}
"""What is known beside the loss after each epoch, by the kind of task."""


@dataclass(frozen=True, config=STRICT)
class Classify:
    kind: Literal["classify"]
    """The class of an example."""
    loss: Literal["cross_entropy", "binary"]
    """Of all classes together, or each class against all others (Wightman, Touvron and Jégou, 2021)."""
    label_smoothing: Share
    """Share of the target that is spread over all classes."""
    class_weights: Literal["none", "balanced"]
    """balanced: a class counts by the inverse of its share of the training examples."""


@dataclass(frozen=True, config=STRICT)
class Regress:
    kind: Literal["regress"]
    """The number that belongs to an example."""
    loss: Distance
    """Between the number and the prediction, both scaled as `normalise` says."""


@dataclass(frozen=True, config=STRICT)
class Reconstruct:
    kind: Literal["reconstruct"]
    """The image itself, out of its noisy copy; needs no labels."""
    loss: Distance
    """Between the pixels, in 0..1."""
    noise: Annotated[float, Field(ge=0, le=10)]
    """Standard deviation of the Gaussian noise on the input's pixels, in 0..1; 0 for a plain autoencoder."""


@dataclass(frozen=True, config=STRICT)
class Cluster:
    kind: Literal["cluster"]
    """Groups of examples that look alike; needs no labels. The network learns to tell two views of an example, each
    moved by draws of its own, from all others (SimCLR: Chen et al., 2020); then k-means groups what it sees."""
    loss: Literal["contrast"]
    """Cross-entropy of the other view among all views in the batch, by cosine similarity."""
    temperature: Annotated[float, Field(gt=0, le=10)]
    """Similarities are divided by it."""
    code: Annotated[Count, Field(ge=2)]
    """Numbers by which views are compared: the network's outputs, which are left off when it has learned."""
    clusters: Count
    """Groups to find."""
    restarts: Count
    """Draws of first centres (k-means++); the tightest clusters are kept."""


Task = Annotated[Classify | Regress | Reconstruct | Cluster, Field(discriminator="kind")]
