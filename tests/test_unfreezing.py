"""Gradual unfreezing: which layers of a network learn, and at which learning rate."""

from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from networks import build
from sprout.config.train import Unfreeze
from sprout.engine.loop import Loop
from sprout.engine.unfreezing import Unfreezing, split_layers
from sprout.runtime.errors import UserError
from sprout.runtime.signals import Killed
from test_resnet import RESNET
from trainings import MLP, data_in, network_of, same, train

TWO = Unfreeze(epochs=(2, 4), lr_multipliers=(0.3, 0.1))
DEEP: dict[str, Any] = MLP | {"hidden": (16, 8), "batch_norm": True}


class Tied(nn.Module):
    """A head that shares its weights with the first layer, beside a parameter of the module itself."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.first = nn.Linear(4, 4)
        self.last = nn.Linear(4, 4)
        self.last.weight = self.first.weight


def each_epoch(groups: int, multiplier: float = 0.5) -> Unfreeze:
    """In each epoch after the first one another group of layers learns."""
    return Unfreeze(epochs=tuple(range(1, groups + 1)), lr_multipliers=(multiplier,) * groups)


def names(network: nn.Module, groups: list[list[nn.Parameter]]) -> list[list[str]]:
    named = {id(parameter): name for name, parameter in network.named_parameters()}
    return [[named[id(parameter)] for parameter in group] for group in groups]


def backbone(architecture: str) -> nn.Module:
    return build((3, 32, 32), 5, name="backbone", architecture=architecture, side=224)


def test_the_head_comes_first_then_the_deepest_group() -> None:
    network = nn.Sequential(*(nn.Linear(2, 2) for _ in range(5)), nn.ReLU())
    found = names(network, Unfreezing(network, each_epoch(2)).layer_groups)
    assert found == [
        ["4.weight", "4.bias"],
        ["2.weight", "2.bias", "3.weight", "3.bias"],
        ["0.weight", "0.bias", "1.weight", "1.bias"],
    ]


@pytest.mark.parametrize(("architecture", "count"), [(RESNET, 1), (RESNET, 3), (DEEP, 1), (DEEP, 4)])
def test_every_parameter_is_in_one_group(architecture: dict[str, Any], count: int) -> None:
    network = build((1, 8, 8), 3, **architecture)
    groups = Unfreezing(network, each_epoch(count)).layer_groups
    assert len(groups) == count + 1
    found = [id(p) for p in chain(*groups)]
    assert len(found) == len(set(found))
    assert set(found) == {id(p) for p in network.parameters()}


def test_the_first_layers_are_in_the_last_group() -> None:
    network = build((1, 8, 8), 3, **RESNET)
    head, deep, first = split_layers(network, 2)
    assert head == [network.get_submodule("head")]
    assert first[0] is network.get_submodule("features.0")
    assert abs(len(deep) - len(first)) <= 1


@pytest.mark.parametrize("architecture", ["resnet18", "vit_b_16", "swin_t", "efficientnet_b0"])
@pytest.mark.parametrize("count", [1, 3])
def test_groups_are_contiguous_and_about_equal(architecture: str, count: int) -> None:
    network = backbone(architecture)
    head, *rest = names(network, Unfreezing(network, each_epoch(count)).layer_groups)
    assert [*chain(*reversed(rest)), *head] == [name for name, _ in network.named_parameters()]
    sizes = [len(group) for group in rest]
    assert max(sizes) < 1.5 * min(sizes)


def test_without_it_all_layers_learn_as_one_group() -> None:
    network = backbone("resnet18")
    unfreezing = Unfreezing(network, None)
    assert [list(map(id, group)) for group in unfreezing.layer_groups] == [list(map(id, network.parameters()))]
    assert unfreezing.lr_multipliers(0) == [1.0]
    network.train()
    assert not unfreezing.enter(0)
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_shared_parameter_is_in_the_group_that_learns_first() -> None:
    network = Tied()
    groups = Unfreezing(network, each_epoch(1)).layer_groups
    assert names(network, groups) == [["first.weight", "last.bias"], ["scale", "first.bias"]]


def test_multipliers_by_epoch() -> None:
    unfreezing = Unfreezing(network_of(DEEP), TWO)
    assert [unfreezing.lr_multipliers(epoch) for epoch in range(6)] == [
        *[[1.0, 0.0, 0.0]] * 2,
        *[[1.0, 0.3, 0.0]] * 2,
        *[[1.0, 0.3, 0.1]] * 2,
    ]


def test_frozen_layers_are_in_evaluation_mode_and_those_that_join_learn() -> None:
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


def test_freezing_a_block_with_own_parameters_does_not_freeze_its_inner_layers() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.register_buffer("count", torch.zeros(()))
            self.norm = nn.BatchNorm1d(2)

    network = nn.Sequential(Block(), nn.Linear(2, 2))
    unfreezing = Unfreezing(network, each_epoch(2))
    network.train()
    unfreezing.enter(1)
    assert not network[0].training
    assert network[0].norm.training


@pytest.mark.parametrize("layers", [1, 3])
def test_more_groups_than_layers_are_refused(layers: int) -> None:
    network = nn.Sequential(*(nn.Linear(2, 2) for _ in range(layers)))
    with pytest.raises(UserError, match=rf"^unfreeze\.epochs: .*3 .*: {layers - 1};"):
        Unfreezing(network, each_epoch(3))


def test_a_network_without_a_dense_layer_is_refused() -> None:
    with pytest.raises(UserError, match="no dense layer"):
        Unfreezing(nn.Conv2d(1, 1, 1), TWO)


class TestTraining:
    """In a training."""

    UNFREEZE: ClassVar = {"epochs": [1, 3], "lr_multipliers": [0.3, 0.1]}

    @pytest.mark.parametrize(("epochs", "still"), [(1, 4), (3, 2), (4, 0)])
    def test_frozen_layers_stay_to_the_bit(self, tmp_path: Path, epochs: int, still: int) -> None:
        before = network_of(DEEP).state_dict()
        trained = train(data_in(tmp_path), tmp_path / "c", DEEP, unfreeze=self.UNFREEZE, epochs=epochs)
        assert trained.best_epoch == epochs - 1  # else the weights would be those of an earlier epoch
        after = trained.weights
        layers = list(dict.fromkeys(name.partition(".")[0] for name in before))
        assert len(layers) == 5  # two dense ones, each with its batch norm, and the head
        same_still = {layer: all(torch.equal(before[n], after[n]) for n in before if n[0] == layer) for layer in layers}
        assert list(same_still.values()) == [True] * still + [False] * (5 - still)

    def test_killed_while_layers_are_frozen_it_resumes_to_the_same_bits(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = {"unfreeze": self.UNFREEZE, "epochs": 4}
        whole = train(data_in(tmp_path / "a"), tmp_path / "ac", DEEP, **settings)
        data, step, calls = data_in(tmp_path / "b"), Loop.step, iter(range(100))

        def killed(loop: Loop, micro_batches: Any) -> None:
            if next(calls) in (2, 9):
                loop.save()
                raise Killed(15)
            step(loop, micro_batches)

        monkeypatch.setattr(Loop, "step", killed)
        for _ in range(2):
            with pytest.raises(Killed):
                train(data, tmp_path / "bc", DEEP, **settings)
        assert same(whole, train(data, tmp_path / "bc", DEEP, **settings))
