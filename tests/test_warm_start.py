"""Weights loaded from another network, except for the head."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from networks import build
from sprout.runtime.errors import UserError
from sprout.weights.warm_start import head_of, load_pretrained
from test_resnet import RESNET

MLP: dict[str, Any] = {"name": "mlp", "hidden": (16, 8), "batch_norm": True, "activation": "relu", "dropout": 0.0}
SMALL = "shufflenet_v2_x0_5"


def mlp(outputs: int, seed: int, **changes: Any) -> nn.Module:
    torch.manual_seed(seed)
    network = build((1, 4, 4), outputs, **MLP | changes)
    network.train()(torch.rand(8, 1, 4, 4))  # batch norm has seen something
    return network


def backbone(outputs: int) -> nn.Module:
    return build((3, 8, 8), outputs, name="backbone", architecture=SMALL, side=64)


@pytest.fixture
def lay(tmp_path: Path) -> Callable[[dict[str, Tensor]], Path]:
    """Write weights to a folder as the stage does."""

    def lay(weights: dict[str, Tensor]) -> Path:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, tmp_path / "model.safetensors")
        return tmp_path

    return lay


def taken(network: nn.Module, given: dict[str, Tensor], prefix: str = "") -> set[str]:
    """Return the names of the tensors that equal those in `given`."""
    return {
        name
        for name, tensor in network.state_dict().items()
        if name.removeprefix(prefix) in given
        and given[name.removeprefix(prefix)].shape == tensor.shape
        and torch.equal(tensor, given[name.removeprefix(prefix)])
    }


@pytest.mark.parametrize("outputs", [3, 5])
def test_all_but_the_head(lay: Callable[..., Path], outputs: int) -> None:
    """Also if the head would fit: its classes differ."""
    given, network = mlp(3, seed=1).state_dict(), mlp(outputs, seed=2)
    head = head_of(network)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_pretrained(network, lay(given))
    assert taken(network, given) == {name for name in given if not name.startswith(f"{head}.")}
    assert taken(network, before) >= {f"{head}.weight", f"{head}.bias"}
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_an_autoencoder_takes_all_weights(lay: Callable[..., Path]) -> None:
    settings = {"name": "autoencoder", "channels": (2,), "kernel": 3, "code": 4, "activation": "relu"}
    torch.manual_seed(1)
    given = build((1, 8, 8), 0, **settings).state_dict()
    network = build((1, 8, 8), 0, **settings)
    load_pretrained(network, lay(given), head=True)
    assert taken(network, given) == set(given)


def test_the_heads_of_networks() -> None:
    assert head_of(mlp(3, 0)) == "7"
    assert head_of(build((1, 8, 8), 3, **RESNET)) == "head"
    assert head_of(backbone(3)) == "network.fc"
    with pytest.raises(UserError, match="no dense layer at its end"):
        head_of(nn.Conv2d(1, 1, 1))


@pytest.mark.parametrize("own", [True, False])
def test_a_backbone_takes_torchvisions_weights_and_its_own(lay: Callable[..., Path], own: bool) -> None:
    torch.manual_seed(1)
    given = (backbone(1000) if own else models.get_model(SMALL, weights=None)).state_dict()
    torch.manual_seed(2)
    network = backbone(5)
    load_pretrained(network, lay(given))
    found = taken(network, given, prefix="" if own else "network.")
    assert found == {name for name in network.state_dict() if not name.startswith("network.fc.")}


def test_older_files_without_batch_norms_counter(lay: Callable[..., Path]) -> None:
    older = {name: t for name, t in mlp(3, seed=1).state_dict().items() if not name.endswith("num_batches_tracked")}
    network = mlp(5, seed=2)
    load_pretrained(network, lay(older))
    assert taken(network, older) == {name for name in older if not name.startswith("7.")}


def test_other_tensors_in_the_file_are_ignored(lay: Callable[..., Path]) -> None:
    given = mlp(3, seed=1).state_dict()
    network = mlp(3, seed=2)
    load_pretrained(network, lay(given | {"auxiliary.weight": torch.ones(2)}))
    assert "auxiliary.weight" not in network.state_dict()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"hidden": (12, 8)},
            r"do not fit the network: 1\.weight has shape \(12, 16\) in the network and is \(16, 16\) in the file",
        ),
        (
            {"hidden": (16, 8, 4)},
            r"do not fit the network: 7\.weight has shape \(4, 8\) in the network and is \(3, 8\) in the file",
        ),
    ],
)
def test_another_network_is_refused_and_unchanged(lay: Callable[..., Path], changes: dict[str, Any], said: str) -> None:
    network = mlp(3, seed=2, **changes)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(UserError, match=said):
        load_pretrained(network, lay(mlp(3, seed=1).state_dict()))
    assert taken(network, before) == set(before)


def test_another_residual_network_is_refused(lay: Callable[..., Path]) -> None:
    given, network = (build((1, 8, 8), 3, **RESNET | {"widths": widths}) for widths in ([4, 8], [4, 6]))
    with pytest.raises(UserError, match=r"has shape \(6, 4, 3, 3\) in the network and is \(8, 4, 3, 3\) in the file"):
        load_pretrained(network, lay(given.state_dict()))


def test_no_tensor_fits(lay: Callable[..., Path]) -> None:
    with pytest.raises(
        UserError, match=r"1\.weight has shape \(16, 16\) in the network and is missing in the file; choose the model"
    ):
        load_pretrained(mlp(3, seed=2), lay({"other": torch.ones(2)}))


@pytest.mark.parametrize("held", [None, b"text"])
def test_missing_or_damaged_weights(tmp_path: Path, held: bytes | None) -> None:
    if held is not None:
        (tmp_path / "model.safetensors").write_bytes(held)
    with pytest.raises(UserError, match=r"run `dvc repro pretrained`.*no weights"):
        load_pretrained(mlp(3, seed=2), tmp_path)
