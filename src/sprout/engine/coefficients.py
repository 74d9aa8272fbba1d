"""What a model without hidden layers has learned of each feature, in the data's own units."""

from pathlib import Path

import torch
from torch import nn

from sprout.models.card import ModelCard
from sprout.runtime.files import write_rows


def write_coefficients(path: Path, network: nn.Module, card: ModelCard) -> None:
    """Write `name, coefficient` of each feature and of `bias`; nothing if this is no linear regression on a table."""
    layers = [layer for layer in network.modules() if not isinstance(layer, nn.Sequential | nn.Flatten)]
    if card.task != "regress" or card.target is None or len(card.input_shape) != 1:
        return
    if len(layers) != 1 or not isinstance(layers[0], nn.Linear):
        return
    mean, std = torch.tensor(card.mean, dtype=torch.float64), torch.tensor(card.std, dtype=torch.float64)
    weights = layers[0].weight.detach().double()[0] / std * card.target["std"]
    bias = layers[0].bias.detach().double()[0] * card.target["std"] + card.target["mean"] - weights @ mean
    names = card.features or [f"feature {number}" for number in range(len(weights))]
    rows = [{"name": name, "coefficient": value} for name, value in zip(names, weights.tolist(), strict=True)]
    write_rows(path, ["name", "coefficient"], [*rows, {"name": "bias", "coefficient": bias.item()}])
