"""Optimizers and schedules by name."""

import pytest
import torch
from torch import nn

from sprout.core.errors import UserError
from sprout.settings.train import OPTIMIZERS
from sprout.training.optimizers import optimizer, schedule

PLAIN = {"name": "sgd", "weight_decay": 0.1, "args": {}}


class Own(torch.optim.SGD):
    pass


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3), nn.LayerNorm(3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_by_name(name):
    kinds = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop"}
    found = optimizer(make_network(), 0.25, **PLAIN | {"name": name})
    assert type(found).__name__ == kinds[name]
    assert {group["lr"] for group in found.param_groups} == {0.25}


def test_every_parameter_is_trained_once():
    network = make_network()
    groups = optimizer(network, 0.1, **PLAIN).param_groups
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
    optimizer(network, 0.1, **PLAIN | {"name": name}).step()
    moved = {key for key, p in network.named_parameters() if not torch.equal(p, before[key])}
    assert moved == {"0.weight", "3.weight"}


def test_decay_is_of_the_given_size():
    network = make_network()
    before = network[3].weight.detach().clone()
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    optimizer(network, 0.5, **PLAIN | {"weight_decay": 0.2}).step()
    torch.testing.assert_close(network[3].weight, before * (1 - 0.5 * 0.2))


def test_what_is_frozen_stays_out():
    network = make_network()
    network[0].requires_grad_(False)
    groups = optimizer(network, 0.1, **PLAIN).param_groups
    assert sum(len(group["params"]) for group in groups) == 6


def test_a_network_without_biases_has_one_group():
    assert len(optimizer(nn.Linear(2, 2, bias=False), 0.1, **PLAIN).param_groups) == 1


def test_further_arguments():
    found = optimizer(make_network(), 0.1, **PLAIN | {"args": {"momentum": 0.9, "nesterov": True}})
    assert (found.defaults["momentum"], found.defaults["nesterov"]) == (0.9, True)


def test_a_class_of_ones_own():
    assert isinstance(optimizer(make_network(), 0.1, **PLAIN | {"name": f"{__name__}.Own"}), Own)


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
        optimizer(make_network(), 0.1, **PLAIN | settings)
    assert [word for word in says if word not in str(refused.value)] == []
    assert str(refused.value).startswith(says[0])  # no section: it may be `train` or `retrain`


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_warm_up_rises_to_the_peak(name, warmup):
    factor = schedule(name, warmup, 100)
    rising = round(100 * warmup)
    rates = [factor(step) for step in range(101)]
    assert rates[rising] == 1.0 == max(rates)
    steps = [b - a for a, b in zip([0.0, *rates], rates[: rising + 1], strict=False)]
    assert steps == pytest.approx([1 / (rising + 1)] * (rising + 1))


@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_after_the_warm_up(warmup):
    start = int(100 * warmup)
    middle = (start + 100) // 2
    ways = {name: schedule(name, warmup, 100) for name in ("constant", "cosine", "one_cycle")}
    quarter = start + (100 - start) // 4
    at = {name: [factor(quarter), factor(middle), factor(100)] for name, factor in ways.items()}
    assert at["constant"] == [1, 1, 1]
    assert at["cosine"] == pytest.approx([(1 + 0.5**0.5) / 2, 0.5, 0])
    assert at["one_cycle"] == pytest.approx([0.75, 0.5, 0])


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_short_trainings_have_a_rate_above_zero(name, warmup, steps):
    factor = schedule(name, warmup, steps)
    assert all(0 < factor(step) <= 1 for step in range(steps))
