"""A network layer by layer."""

import pytest
import torch
from torch import Tensor, nn

from networks import build
from sprout.commands.layers import list_layers
from sprout.models.build import count_parameters

CNN = {
    "channels": [12],
    "convolutions": 1,
    "kernel": 3,
    "pool": 2,
    "pooling": "max",
    "batch_norm": True,
    "conv_dropout": 0.0,
    "hidden": [],
    "activation": "relu",
    "dropout": 0.5,
}


@pytest.mark.parametrize(("padding", "side"), [("valid", 26), ("same", 28)])
def test_a_convolution_keeps_or_loses_its_border(padding: str, side: int) -> None:
    network = build((1, 28, 28), 10, name="cnn", padding=padding, **CNN)
    found = list_layers(network, (1, 28, 28))
    assert [layer.output for layer in found[:4]] == [(12, side, side)] * 2 + [(12, side // 2, side // 2)] * 2
    assert [layer.parameters for layer in found[:3]] == [12 * 9, 2 * 12, 0]
    assert found[-1].output == (10,)
    assert sum(layer.parameters for layer in found) == count_parameters(network)


class Own(nn.Module):
    """One layer used twice, one that is frozen, a weight of its own, and a branch that is not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleDict({"twice": nn.Linear(4, 4), "frozen": nn.Linear(4, 2), "never": nn.Linear(9, 9)})
        self.inner["frozen"].requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, rows: Tensor) -> Tensor:
        twice = self.inner["twice"]
        return torch.as_tensor(self.inner["frozen"](twice(twice(rows))) * self.scale)


def test_a_custom_network() -> None:
    network = Own().train()
    found = list_layers(network, (4,))
    assert [(layer.name, layer.output, layer.parameters) for layer in found] == [
        ("inner.twice", (4,), 20),
        ("inner.twice", (4,), 0),
        ("inner.frozen", (2,), 0),
    ]
    assert found[0].description == "Linear(in_features=4, out_features=4, bias=True)"
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_that_fails_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        list_layers(network, (4,))
    assert network.training
    assert not network[0]._forward_hooks
