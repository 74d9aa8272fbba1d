"""Gradual unfreezing: which parts of a network learn, and how fast."""

from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from sprout.engine.loop import Loop
from sprout.engine.unfreezing import Unfreezing, cut
from sprout.models import build
from sprout.runtime.errors import UserError
from sprout.runtime.signals import Killed
from test_resnet import RESNET
from trainings import MLP, data_in, network_of, same, train

TWO: dict[str, Any] = {"epochs": [2, 4], "rates": [0.3, 0.1]}
DEEP: dict[str, Any] = MLP | {"hidden": (16, 8), "batch_norm": True}


class Tied(nn.Module):
    """A head that shares its weights with the first layer; and a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.first = nn.Linear(4, 4)
        self.last = nn.Linear(4, 4)
        self.last.weight = self.first.weight


def names(network: nn.Module, parts: list[list[nn.Parameter]]) -> list[list[str]]:
    named = {id(parameter): name for name, parameter in network.named_parameters()}
    return [[named[id(parameter)] for parameter in part] for part in parts]


def backbone(architecture: str) -> nn.Module:
    return build((3, 32, 32), 5, name="backbone", architecture=architecture, side=224)


def test_the_head_comes_first_then_the_deepest_part() -> None:
    network = nn.Sequential(*(nn.Linear(2, 2) for _ in range(5)), nn.ReLU())
    found = names(network, Unfreezing(network, {"epochs": [1, 2], "rates": [0.5, 0.1]}).parts)
    assert found == [
        ["4.weight", "4.bias"],
        ["2.weight", "2.bias", "3.weight", "3.bias"],
        ["0.weight", "0.bias", "1.weight", "1.bias"],
    ]


@pytest.mark.parametrize(("architecture", "count"), [(RESNET, 1), (RESNET, 3), (DEEP, 1), (DEEP, 4)])
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


@pytest.mark.parametrize("architecture", ["resnet18", "vit_b_16", "swin_t", "efficientnet_b0"])
@pytest.mark.parametrize("count", [1, 3])
def test_parts_are_contiguous_and_hold_each_parameter_once(architecture: str, count: int) -> None:
    network = backbone(architecture)
    parts = Unfreezing(network, {"epochs": list(range(1, count + 1)), "rates": [0.1] * count}).parts
    head, *rest = names(network, parts)
    assert [name for part in reversed(rest) for name in part] + head == [name for name, _ in network.named_parameters()]
    sizes = [len(part) for part in rest]
    assert max(sizes) < 1.5 * min(sizes)


def test_without_it_there_is_one_part_in_the_networks_own_order() -> None:
    network = backbone("resnet18")
    unfreezing = Unfreezing(network, None)
    assert [list(map(id, part)) for part in unfreezing.parts] == [list(map(id, network.parameters()))]
    assert unfreezing.rates(0) == [1.0]
    network.train()
    assert not unfreezing.enter(0)
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_shared_parameter_is_with_the_part_that_learns_first() -> None:
    network = Tied()
    parts = Unfreezing(network, {"epochs": [1], "rates": [0.5]}).parts
    assert names(network, parts) == [["first.weight", "last.bias"], ["scale", "first.bias"]]


def test_rates_by_epoch() -> None:
    unfreezing = Unfreezing(network_of(DEEP), TWO)
    assert [unfreezing.rates(epoch) for epoch in range(6)] == [
        *[[1.0, 0.0, 0.0]] * 2,
        *[[1.0, 0.3, 0.0]] * 2,
        *[[1.0, 0.3, 0.1]] * 2,
    ]


def test_what_is_frozen_keeps_its_statistics_and_what_joins_learns() -> None:
    network = nn.Sequential(
        nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 3), nn.BatchNorm1d(3, affine=False), nn.Linear(3, 2)
    )
    unfreezing = Unfreezing(network, TWO)
    seen = []
    for epoch in range(5):
        network.train()
        changed = unfreezing.enter(epoch)
        learns = [all(p.requires_grad for p in layer.parameters()) for layer in network]
        seen.append((changed, learns[0], learns[2], learns[4], network[1].training, network[3].training))
    assert seen == [
        (True, False, False, True, False, False),
        (False, False, False, True, False, False),
        (True, False, True, True, False, True),
        (False, False, True, True, False, True),
        (True, True, True, True, True, True),
    ]


def test_frozen_batch_norms_keep_their_statistics() -> None:
    network = build((1, 8, 8), 3, **RESNET)
    unfreezing = Unfreezing(network, TWO)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    for epoch, moved in ((0, set()), (4, set(range(len(norms))))):
        network.train()
        unfreezing.enter(epoch)
        network(torch.rand(4, 1, 8, 8))
        assert {i for i, norm in enumerate(norms) if not torch.equal(norm.running_mean, before[i])} == moved


def test_a_block_with_parameters_of_its_own_does_not_freeze_what_lies_inside_of_it() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.register_buffer("count", torch.zeros(()))
            self.norm = nn.BatchNorm1d(2)

    network = nn.Sequential(Block(), nn.Linear(2, 2))
    unfreezing = Unfreezing(network, {"epochs": [1, 2], "rates": [0.5, 0.5]})
    network.train()
    unfreezing.enter(1)
    assert not network[0].training
    assert network[0].norm.training


@pytest.mark.parametrize(("layers", "said"), [(1, "can join the head: 0;"), (3, "can join the head: 2;")])
def test_more_parts_than_layers(layers: int, said: str) -> None:
    network = nn.Sequential(*(nn.Linear(2, 2) for _ in range(layers)))
    with pytest.raises(UserError, match=said):
        Unfreezing(network, {"epochs": [1, 2, 3], "rates": [0.5, 0.5, 0.5]})


def test_a_network_without_a_dense_layer() -> None:
    with pytest.raises(UserError, match="no dense layer at its end"):
        Unfreezing(nn.Conv2d(1, 1, 1), TWO)


class TestTraining:
    """Within a training."""

    UNFREEZE: ClassVar = {"epochs": [1, 3], "rates": [0.3, 0.1]}

    def trained(self, tmp_path: Path, epochs: int, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A network's state before and after so many epochs, each of which is better than the last."""
        before = network_of(DEEP).state_dict()
        changes = {"unfreeze": self.UNFREEZE, "epochs": epochs} | changes
        after = train(data_in(tmp_path), tmp_path / "c", DEEP, **changes)
        assert after.best_epoch == epochs - 1
        return before, after.weights

    @pytest.mark.parametrize(("epochs", "still"), [(1, 4), (3, 2), (4, 0)])
    def test_frozen_layers_stay_to_the_bit(self, tmp_path: Path, epochs: int, still: int) -> None:
        before, after = self.trained(tmp_path, epochs)
        layers = list(dict.fromkeys(name.partition(".")[0] for name in before))
        assert len(layers) == 5  # two dense ones, each with its batch norm, and the head
        same_still = {layer: all(torch.equal(before[n], after[n]) for n in before if n[0] == layer) for layer in layers}
        assert list(same_still.values()) == [True] * still + [False] * (5 - still)

    def test_ended_while_a_part_is_frozen_it_goes_on_to_the_same_bits(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = {"unfreeze": self.UNFREEZE, "epochs": 4}
        whole = train(data_in(tmp_path / "a"), tmp_path / "ac", DEEP, **settings)
        data, step, calls = data_in(tmp_path / "b"), Loop.step, iter(range(100))

        def ended(loop: Loop, parts: Any) -> None:
            if next(calls) in (2, 9):
                loop.save()
                raise Killed(15)
            step(loop, parts)

        monkeypatch.setattr(Loop, "step", ended)
        for _ in range(2):
            with pytest.raises(Killed):
                train(data, tmp_path / "bc", DEEP, **settings)
        assert same(whole, train(data, tmp_path / "bc", DEEP, **settings))
