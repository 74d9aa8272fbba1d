"""Optimizers by name."""

import pytest
import torch
from torch import nn

from sprout.config.train import OPTIMIZERS
from sprout.engine.optimizers import optimizer
from sprout.runtime.errors import UserError

PLAIN = {"name": "sgd", "weight_decay": 0.1, "decay": "weights", "args": {}}


class Own(torch.optim.SGD):
    pass


def make(network, lr, **settings):
    """An optimizer of all that the network learns, as one part."""
    return optimizer([list(network.parameters())], lr, **settings)


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3), nn.LayerNorm(3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_by_name(name):
    kinds = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop", "muon": "Muon"}
    found = make(make_network(), 0.25, **PLAIN | {"name": name})
    assert type(found).__name__ == kinds[name]
    assert {group["lr"] for group in found.param_groups} == {0.25}


def test_every_parameter_is_trained_once():
    network = make_network()
    groups = make(network, 0.1, **PLAIN).param_groups
    trained = [id(p) for group in groups for p in group["params"]]
    assert len(trained) == len(set(trained))
    assert set(trained) == {id(p) for p in network.parameters()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_biases_and_norms_do_not_decay(name):
    """Without a gradient nothing but decay moves a weight."""
    network = make_network()
    before = {key: p.detach().clone() for key, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    make(network, 0.1, **PLAIN | {"name": name}).step()
    moved = {key for key, p in network.named_parameters() if not torch.equal(p, before[key])}
    assert moved == {"0.weight", "3.weight"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_may_decay(name):
    network = make_network()
    nn.init.ones_(network[1].bias)
    before = {key: p.detach().clone() for key, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    make(network, 0.1, **PLAIN | {"name": name, "decay": "all"}).step()
    moved = {key for key, p in network.named_parameters() if not torch.equal(p, before[key])}
    assert moved == {key for key, p in before.items() if p.any()}  # what is 0 has nothing to lose


def test_decay_is_of_the_given_size():
    network = make_network()
    before = network[3].weight.detach().clone()
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    make(network, 0.5, **PLAIN | {"weight_decay": 0.2}).step()
    torch.testing.assert_close(network[3].weight, before * (1 - 0.5 * 0.2))


def test_parts_have_their_own_groups():
    network = make_network()
    parts = [list(network[0].parameters()), [*network[1].parameters(), *network[3].parameters()]]
    groups = optimizer(parts, 0.1, **PLAIN).param_groups
    assert [(group["part"], len(group["params"]), group["weight_decay"]) for group in groups] == [
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
def test_one_kernel_does_it_where_there_is_one_and_nothing_else_is_asked_for(settings, fused, expected):
    assert make(make_network(), 0.1, **PLAIN | settings, fused=fused).defaults.get("fused") is expected


def test_a_network_without_biases_has_one_group():
    assert len(make(nn.Linear(2, 2, bias=False), 0.1, **PLAIN).param_groups) == 1


def test_further_arguments():
    found = make(make_network(), 0.1, **PLAIN | {"args": {"momentum": 0.9, "nesterov": True}})
    assert (found.defaults["momentum"], found.defaults["nesterov"]) == (0.9, True)


def test_a_class_of_ones_own():
    assert isinstance(make(make_network(), 0.1, **PLAIN | {"name": f"{__name__}.Own"}), Own)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"name": "adamm"}, ["optimizer.name=adamm: cannot be imported", "package.Class"]),
        ({"name": "torch.optim.Adamm"}, ["optimizer.name=torch.optim.Adamm: cannot be imported"]),
        ({"name": "torch.nn.Linear"}, ["optimizer.name=torch.nn.Linear: is no subclass of torch.optim"]),
        ({"args": {"momentun": 0.9}}, ["optimizer.args={'momentun': 0.9}: sgd does not take this", "momentun"]),
        ({"args": {"momentum": -1}}, ["optimizer.args={'momentum': -1}: sgd", "-1"]),
        ({"args": {"lr": 0.1}}, ["optimizer.args={'lr': 0.1}: sgd does not take this"]),
    ],
)
def test_what_cannot_be_used_is_refused(settings, says):
    with pytest.raises(UserError) as refused:
        make(make_network(), 0.1, **PLAIN | settings)
    assert [word for word in says if word not in str(refused.value)] == []
    assert str(refused.value).startswith(says[0])  # no section: it may be `train` or `retrain`
