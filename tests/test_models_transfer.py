"""All weights but the head's are taken over, or the first that does not fit is named."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sprout.core.errors import UserError
from sprout.models import build
from sprout.models.transfer import head_of, load_pretrained

RESNET: dict[str, Any] = {
    "name": "resnet",
    "stem": None,
    "patch": 1,
    "widths": [4, 8],
    "blocks": 1,
    "activation": "relu",
    "pooling": "max",
    "dropout": 0.0,
    "flip_average": False,
}
MLP: dict[str, Any] = {"name": "mlp", "hidden": [5], "batch_norm": True, "activation": "relu", "dropout": 0.0}


def networks(classes: int, other: int, **changes: Any) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return build((1, 8, 8), classes, **RESNET), build((1, 8, 8), other, **RESNET | changes)


def test_all_but_the_head(tmp_path: Path) -> None:
    given, network = networks(3, 5)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    save_file(given.state_dict(), tmp_path / "model.safetensors")
    load_pretrained(network, tmp_path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name] if name.startswith("head.") else given.state_dict()[name]), name


@pytest.mark.parametrize(("architecture", "head"), [(RESNET, "head"), (MLP, "4")])
def test_the_head_is_the_last_dense_layer(architecture: dict[str, Any], head: str) -> None:
    assert head_of(build((1, 8, 8), 3, **architecture)) == head


def test_another_network_is_refused(tmp_path: Path) -> None:
    given, network = networks(3, 3, widths=[4, 6])
    save_file(given.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"is \(6, 4, 3, 3\) there and \(8, 4, 3, 3\) among them"):
        load_pretrained(network, tmp_path)


def test_torchvisions_names_fit_a_backbone(tmp_path: Path) -> None:
    from torchvision import models

    torch.manual_seed(0)
    given = models.squeezenet1_1(weights=None)
    # Its head is a convolution: nothing that could be replaced.
    with pytest.raises(UserError, match=r"model\.architecture: has no dense layer at its end"):
        build((3, 64, 64), 5, name="backbone", architecture="squeezenet1_1", side=None)
    given = models.mobilenet_v3_small(weights=None)
    save_file(given.state_dict(), tmp_path / "model.safetensors")
    network = build((1, 20, 20), 5, name="backbone", architecture="mobilenet_v3_small", side=32)
    load_pretrained(network, tmp_path)
    assert torch.equal(network.state_dict()["network.features.0.0.weight"], given.state_dict()["features.0.0.weight"])
    assert network.eval()(torch.zeros(2, 1, 20, 20)).shape == (2, 5)


def test_a_backbone_that_is_none() -> None:
    with pytest.raises(UserError, match=r"model\.architecture=resnet81: unknown \(did you mean resnet18\?\)"):
        build((3, 8, 8), 2, name="backbone", architecture="resnet81", side=None)
    with pytest.raises(UserError, match="takes grey or colour images"):
        build((5,), 2, name="backbone", architecture="resnet18", side=None)
