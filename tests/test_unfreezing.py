"""Which parts learn, and how fast, in each epoch."""

from itertools import chain
from typing import Any

import pytest
import torch
from torch import nn

from sprout.training.unfreezing import Unfreezing, cut
from test_models_transfer import MLP, RESNET, build

STAGES = {"epochs": (2, 4), "rates": (0.5, 0.1)}


@pytest.mark.parametrize("architecture", [RESNET, MLP])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_parameter_is_in_one_part(architecture: dict[str, Any], count: int) -> None:
    network = build((1, 8, 8), 3, **architecture)
    stages = {"epochs": tuple(range(1, count + 1)), "rates": (0.5,) * count}
    parts = Unfreezing(network, stages).parts
    assert len(parts) == count + 1
    found = [id(p) for p in chain(*parts)]
    assert len(found) == len(set(found))
    assert set(found) == {id(p) for p in network.parameters()}


def test_the_head_is_first_and_the_first_layers_are_last() -> None:
    network = build((1, 8, 8), 3, **RESNET)
    head, deep, first = cut(network, 2)
    assert head == [network.get_submodule("head")]
    assert first[0] is network.get_submodule("features.0")
    assert abs(len(deep) - len(first)) <= 1


def test_parts_join_one_after_another() -> None:
    network = build((1, 8, 8), 3, **RESNET)
    unfreezing = Unfreezing(network, STAGES)
    assert [unfreezing.rates(epoch) for epoch in (0, 1, 2, 3, 4, 9)] == [
        [1.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [1.0, 0.5, 0.0],
        [1.0, 0.5, 0.0],
        [1.0, 0.5, 0.1],
        [1.0, 0.5, 0.1],
    ]
    changed = []
    for epoch in range(5):
        network.train()
        changed.append(unfreezing.enter(epoch))
        learns = [all(p.requires_grad for p in part) for part in unfreezing.parts]
        assert learns == [rate > 0 for rate in unfreezing.rates(epoch)]
    assert changed == [True, False, True, False, True]


def test_frozen_batch_norms_keep_their_statistics() -> None:
    network = build((1, 8, 8), 3, **RESNET)
    unfreezing = Unfreezing(network, STAGES)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    for epoch, moved in ((0, set()), (4, set(range(len(norms))))):
        network.train()
        unfreezing.enter(epoch)
        network(torch.rand(4, 1, 8, 8))
        assert {i for i, norm in enumerate(norms) if not torch.equal(norm.running_mean, before[i])} == moved


def test_without_stages_everything_learns() -> None:
    network = build((1, 8, 8), 3, **RESNET)
    unfreezing = Unfreezing(network, None)
    assert unfreezing.rates(0) == [1.0]
    assert not unfreezing.enter(0)
    assert [id(p) for p in unfreezing.parts[0]] == [id(p) for p in network.parameters()]
