"""Optimizers by name."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from sprout.config.train import OPTIMIZERS, Optimizer, check_training
from sprout.engine.optimizers import make_optimizer
from sprout.runtime.errors import UserError
from trainings import SETTINGS, SGD

PLAIN = Optimizer(name="sgd", weight_decay=0.1, decay="weights", args={})


class Own(torch.optim.SGD):
    pass


def make(network: nn.Module, lr: float, *, fused: bool = True, **changes: Any) -> torch.optim.Optimizer:
    """An optimizer of all the network's parameters, as one group of layers."""
    return make_optimizer([list(network.parameters())], lr, replace(PLAIN, **changes), fused=fused)


def make_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3), nn.LayerNorm(3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_by_name(name):
    kinds = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop", "muon": "Muon"}
    found = make(make_network(), 0.25, name=name)
    assert type(found).__name__ == kinds[name]
    assert {group["lr"] for group in found.param_groups} == {0.25}


def test_every_parameter_is_trained_once():
    network = make_network()
    groups = make(network, 0.1).param_groups
    trained = [id(p) for group in groups for p in group["params"]]
    assert len(trained) == len(set(trained))
    assert set(trained) == {id(p) for p in network.parameters()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_biases_and_norms_do_not_decay(name):
    """With gradients of zero only decay changes a weight."""
    network = make_network()
    before = {key: p.detach().clone() for key, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    make(network, 0.1, name=name).step()
    moved = {key for key, p in network.named_parameters() if not torch.equal(p, before[key])}
    assert moved == {"0.weight", "3.weight"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_decay_all_every_parameter_decays(name):
    network = make_network()
    nn.init.ones_(network[1].bias)
    before = {key: p.detach().clone() for key, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    make(network, 0.1, name=name, decay="all").step()
    moved = {key for key, p in network.named_parameters() if not torch.equal(p, before[key])}
    assert moved == {key for key, p in before.items() if p.any()}  # zeros stay


def test_decay_has_the_given_size():
    network = make_network()
    before = network[3].weight.detach().clone()
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    make(network, 0.5, weight_decay=0.2).step()
    torch.testing.assert_close(network[3].weight, before * (1 - 0.5 * 0.2))


def test_groups_of_layers_have_groups_of_their_own():
    network = make_network()
    layer_groups = [list(network[0].parameters()), [*network[1].parameters(), *network[3].parameters()]]
    groups = make_optimizer(layer_groups, 0.1, PLAIN).param_groups
    assert [(group["layer_group"], len(group["params"]), group["weight_decay"]) for group in groups] == [
        (0, 1, 0.1),
        (0, 1, 0.0),
        (1, 1, 0.1),
        (1, 3, 0.0),
    ]


@pytest.mark.parametrize(
    ("settings", "fused", "expected"),
    [
        ({}, True, True),
        ({}, False, None),
        ({"args": {"foreach": True}}, True, None),
        ({"args": {"fused": False}}, True, False),
        ({"name": "rmsprop"}, True, None),
    ],
)
def test_a_fused_kernel_is_used_unless_the_arguments_choose_one(settings, fused, expected):
    assert make(make_network(), 0.1, **settings, fused=fused).defaults.get("fused") is expected


def test_a_network_without_biases_has_one_group():
    assert len(make(nn.Linear(2, 2, bias=False), 0.1).param_groups) == 1


def test_further_arguments_reach_the_optimizer():
    found = make(make_network(), 0.1, args={"momentum": 0.9, "nesterov": True})
    assert (found.defaults["momentum"], found.defaults["nesterov"]) == (0.9, True)


def test_a_class_of_the_user():
    assert isinstance(make(make_network(), 0.1, name=f"{__name__}.Own"), Own)


@pytest.mark.parametrize(
    ("settings", "key", "remedy"),
    [
        ({"name": "torch.optim.Adamm"}, "optimizer.name=torch.optim.Adamm:", "Adamm"),
        ({"name": "torch.nn.Linear"}, "optimizer.name=torch.nn.Linear:", "torch.optim"),
        ({"args": {"momentun": 0.9}}, "optimizer.args={'momentun': 0.9}: sgd", "momentun"),
        ({"args": {"momentum": -1}}, "optimizer.args={'momentum': -1}: sgd", "-1"),
    ],
)
def test_an_unknown_name_or_argument_is_refused(settings, key, remedy):
    """The error names no section: the key may belong to `train` or `retrain`."""
    with pytest.raises(UserError) as refused:
        make(make_network(), 0.1, **settings)
    assert str(refused.value).startswith(key)
    assert remedy in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "adamm"}, ["adamm", "adam", "package.Class"]),
        ({"args": {"lr": 0.1}}, ["args.lr", "lr of the section"]),
        ({"args": {"weight_decay": 0.1}}, ["args.weight_decay", "optimizer.weight_decay"]),
    ],
)
def test_a_mistake_that_needs_no_import_is_refused_with_the_section(changes, said):
    with pytest.raises(UserError) as refused:
        check_training("train", SETTINGS | {"optimizer": SGD | changes})
    assert [word for word in said if word not in str(refused.value)] == []
    assert str(refused.value).startswith("train.optimizer")
