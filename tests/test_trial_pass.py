"""A network that does not fit its data, or its batches, is refused before a training begins."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sprout.engine.dry_run import check_network
from sprout.models import build
from sprout.models.card import ModelCard
from sprout.runtime.errors import UserError
from trainings import MLP, examples

NORMED = MLP | {"batch_norm": True}
CNN: dict[str, Any] = {
    "name": "cnn",
    "channels": [4, 4, 4],
    "convolutions": 1,
    "kernel": 3,
    "padding": "same",
    "pool": 2,
    "pooling": "max",
    "batch_norm": False,
    "conv_dropout": 0.0,
    "hidden": [],
    "activation": "relu",
    "dropout": 0.0,
}
ADAM: dict[str, Any] = {"name": "adam", "weight_decay": 0.0, "decay": "weights", "args": {}}
SETTINGS: dict[str, Any] = {
    "section": "train",
    "batch_size": 16,
    "accumulate": 1,
    "devices": 1,
    "nodes": 1,
    "task": {"kind": "classify"},
    "start": None,
    "unfreeze": None,
    "lr": 0.01,
    "optimizer": ADAM,
}


class Headless(nn.Module):
    """Gives some of the pixels back."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, : self.outputs]


class WrongHead(nn.Module):
    """Gives two numbers more than it is asked for."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, *, features: int = 36) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(features, outputs + 2))

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images)
        return found


def own(**args: Any) -> dict[str, Any]:
    return {"name": "target", "target": f"{__name__}.WrongHead", "args": args}


def check(folder: Path, architecture: dict[str, Any], n: int = 60, card_task: str = "classify", **changes: Any) -> None:
    data = examples(folder / "train", 0, n)
    card = ModelCard(
        task=card_task,
        architecture=architecture,
        classes=["a", "b", "c"],
        input_shape=list(data.shape),
        mean=[0.5],
        std=[0.2],
        temperature=None,
        target=None,
        noise=None,
        parameters=0,
        role="teacher",
        kept=None,
    )
    check_network(card, data, **SETTINGS | {"task": {"kind": card_task}} | changes)


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        (MLP, {}),
        (CNN | {"channels": [4, 4]}, {}),
        (NORMED, {}),
        (NORMED, {"devices": 2, "accumulate": 3}),  # 12 in the last step
        (MLP, {"n": 61, "batch_size": 15}),
    ],
)
def test_what_fits_passes_and_draws_nothing(
    architecture: dict[str, Any], changes: dict[str, Any], tmp_path: Path
) -> None:
    check(tmp_path, architecture, **changes)


def test_what_a_pass_draws_leaves_no_trace(tmp_path: Path) -> None:
    """Of dropout; the first weights are drawn anew by whoever trains."""
    torch.manual_seed(3)
    check(tmp_path / "a", MLP | {"dropout": 0.0})
    without = torch.rand(1)
    torch.manual_seed(3)
    check(tmp_path / "b", MLP | {"dropout": 0.5})
    assert torch.equal(torch.rand(1), without)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 61, "batch_size": 15},
        {"n": 60, "devices": 7},
        {"n": 60, "devices": 2, "nodes": 2, "accumulate": 2},
        {"n": 60, "accumulate": 16},
        {"n": 60, "batch_size": 1},
    ],
)
def test_a_batch_of_one_is_refused_where_there_is_batch_norm(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        check(tmp_path, NORMED, **changes)
    size, n = changes.get("batch_size", 16), changes["n"]
    world, parts = changes.get("devices", 1) * changes.get("nodes", 1), changes.get("accumulate", 1)
    assert str(refused.value) == (
        f"train.batch_size={size}: with {n} examples, {world} devices and {parts} parts a step there is a batch of "
        "one, and batch norm needs two; take another train.batch_size"
    )


def test_a_batch_of_one_is_refused_that_comes_when_all_parts_have_joined(tmp_path: Path) -> None:
    """Frozen, batch norm takes one example; later it does not."""
    weights = tmp_path / "weights"
    weights.mkdir()
    torch.manual_seed(1)
    save_file(build((1, 6, 6), 3, **NORMED).state_dict(), weights / "model.safetensors")
    changes = {"start": {"folder": str(weights)}, "unfreeze": {"epochs": [1], "rates": [1.0]}}
    check(tmp_path / "fits", NORMED, **changes)
    with pytest.raises(UserError, match="there is a batch of one, and batch norm needs two"):
        check(tmp_path / "not", NORMED, n=61, batch_size=15, **changes)


def test_clusters_need_a_network_with_features(tmp_path: Path) -> None:
    cluster = {"card_task": "cluster", "task": {"kind": "cluster", "code": 4}}
    check(tmp_path / "fits", MLP, **cluster)
    with pytest.raises(UserError, match="has neither an encoder nor a dense layer at its end"):
        check(tmp_path / "not", {"name": "target", "target": "test_trial_pass.Headless", "args": {}}, **cluster)


def test_a_head_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.name=target: gives \(5,\) for an example; classify needs \(3,\)$"):
        check(tmp_path, own())


def test_a_number_is_one_output(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.name=target: gives \(3,\) for an example; regress needs \(1,\)$"):
        check(tmp_path, own(), card_task="regress")
    check(tmp_path / "fits", MLP, card_task="regress")


def test_an_image_comes_out_as_it_went_in(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gives \(3,\) for an example; reconstruct needs \(1, 6, 6\)$"):
        check(tmp_path, MLP, card_task="reconstruct")
    autoencoder = {"name": "autoencoder", "channels": [4, 4], "kernel": 3, "code": 5, "activation": "relu"}
    check(tmp_path / "fits", autoencoder, card_task="reconstruct")


def test_layers_that_do_not_take_the_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.name=target: does not take \(1, 6, 6\): .*shapes") as refused:
        check(tmp_path, own(features=35))
    assert "\n" not in str(refused.value)


def test_too_small_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.channels=\[4, 4, 4\]: nothing of 6×6 pixels is left after block 3"):
        check(tmp_path, CNN)


def test_the_section_is_the_one_that_was_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^retrain\.batch_size=1: .* take another retrain\.batch_size$"):
        check(tmp_path, NORMED, section="retrain", batch_size=1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"args": {"momentun": 0.9}}, r"^train\.optimizer\.args=\{'momentun': 0\.9\}: adam does not take this"),
        ({"name": "nowhere.Adam"}, r"^train\.optimizer\.name=nowhere\.Adam: cannot be imported"),
        ({"name": "torch.nn.Linear"}, r"^train\.optimizer\.name=torch\.nn\.Linear: is no subclass of torch\.optim"),
    ],
)
def test_an_optimizer_that_there_is_not_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        check(tmp_path, MLP, optimizer=ADAM | changes)
