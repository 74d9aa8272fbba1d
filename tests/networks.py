"""Networks from dictionaries, as in a model card."""

from typing import Any

from torch import nn

from sprout.models.architecture import architecture_from_dict
from sprout.models.build import build_network


def build(input_shape: tuple[int, ...], outputs: int, **architecture: Any) -> nn.Module:
    """Build the network that a trained model with this architecture has."""
    return build_network(input_shape, outputs, architecture_from_dict(architecture))
