"""What a network is built from: the section `model`, or the sizes of what scikit-learn has fitted."""

from typing import Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, CountOrZero
from sprout.config.model import Autoencoder, Backbone, Cnn, Mlp, Model, Network, Resnet, Target
from sprout.config.validate import choice


@dataclass(frozen=True, config=STRICT)
class FittedLogistic:
    """A fitted logistic regression, whose sizes follow from the examples and the classes."""

    name: Literal["logistic"]


@dataclass(frozen=True, config=STRICT)
class FittedForest:
    """The sizes of a fitted random forest."""

    name: Literal["forest"]
    trees: Count
    splits: CountOrZero
    """Inner nodes of all trees together."""
    leaves: Count
    """Leaves of all trees together."""
    depth: CountOrZero
    """Decisions on the longest path from a root to a leaf."""


@dataclass(frozen=True, config=STRICT)
class FittedKMeans:
    """The sizes of a fitted k-means, and the network whose features it groups."""

    name: Literal["kmeans"]
    clusters: Count
    dimensions: Count
    """Features of one example."""
    unit_length: bool
    """Whether the features of each example are scaled to length 1."""
    embedding: "Architecture | None"
    """The network whose features are grouped; None where the flattened example is."""


Fitted = FittedLogistic | FittedForest | FittedKMeans
Architecture = Model | Fitted
"""What a model card holds: the section `model` before training; what was trained, with its sizes, afterwards."""
TRAINED: dict[str, type[Network | Fitted]] = {
    "cnn": Cnn,
    "mlp": Mlp,
    "resnet": Resnet,
    "autoencoder": Autoencoder,
    "backbone": Backbone,
    "target": Target,
    "logistic": FittedLogistic,
    "forest": FittedForest,
    "kmeans": FittedKMeans,
}


def architecture_from_dict(values: object) -> Network | Fitted:
    """Return the architecture of a trained model, the inverse of `dataclasses.asdict`.

    Raises:
        UserError: a key is unknown or missing, or its value is out of range.
    """
    return choice("architecture", values, "name", TRAINED)
