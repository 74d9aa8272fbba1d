"""A network that does not fit its data, its batches or its optimizer is refused before training begins."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from networks import build
from sprout.engine.dry_run import dry_run
from sprout.engine.initial import StartWeights
from sprout.runtime.errors import UserError
from trainings import MLP, SGD, card_of, config_of, examples

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
ADAM: dict[str, Any] = SGD | {"name": "adam"}
TASKS: dict[str, dict[str, Any]] = {
    "classify": {},
    "regress": {"task": {"kind": "regress", "loss": "mse"}},
    "reconstruct": {"task": {"kind": "reconstruct", "loss": "mse", "noise": 0.1}},
    "cluster": {
        "task": {"kind": "cluster", "clusters": 3, "restarts": 1},
        "method": {"kind": "contrastive", "policy": "transforms", "temperature": 0.5, "projection_dim": 4},
    },
}


class Headless(nn.Module):
    """Returns some of the pixels; has no dense layer."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, : self.outputs]


class WrongHead(nn.Module):
    """Has two outputs too many."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, *, features: int = 36) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(features, outputs + 2))

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images)
        return found


class OneRow(nn.Module):
    """Returns one row, however many examples it takes."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(36, outputs))

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images).mean(dim=0, keepdim=True)
        return found


def own(kind: type[nn.Module], **args: Any) -> dict[str, Any]:
    return {"name": "target", "target": f"{__name__}.{kind.__name__}", "args": args}


def check(
    folder: Path,
    architecture: dict[str, Any],
    *,
    n: int = 60,
    task: str = "classify",
    section: str = "train",
    start: StartWeights | None = None,
    **changes: Any,
) -> None:
    """Do a dry run on `n` made examples; `changes` are of the section."""
    train = examples(folder / "train", 0, n)
    dry_run(card_of(architecture, task=task), train, section, config_of(**TASKS[task] | changes), start)


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        (MLP, {}),
        (CNN | {"channels": [4, 4]}, {}),
        (NORMED, {}),
        (NORMED, {"devices": 2, "accumulate_grad_batches": 3}),  # 12 in the last step
        (MLP, {"n": 61, "batch_size": 15}),
    ],
)
def test_a_network_that_fits_passes(architecture: dict[str, Any], changes: dict[str, Any], tmp_path: Path) -> None:
    check(tmp_path, architecture, **changes)


def test_dropout_in_a_dry_run_leaves_the_random_state_alone(tmp_path: Path) -> None:
    """Initial weights do draw from it; a training seeds it anew."""
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
        {"n": 60, "devices": 2, "nodes": 2, "accumulate_grad_batches": 2},
        {"n": 60, "accumulate_grad_batches": 16},
        {"n": 60, "batch_size": 1},
    ],
)
def test_a_batch_of_one_is_refused_where_there_is_batch_norm(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        check(tmp_path, NORMED, **changes)
    size, n = changes.get("batch_size", 16), changes["n"]
    world = changes.get("devices", 1) * changes.get("nodes", 1)
    said = str(refused.value)
    assert said.startswith(f"train.batch_size={size}: ")
    assert f"{n} examples, {world} devices and {changes.get('accumulate_grad_batches', 1)} micro-batches" in said
    assert "another train.batch_size" in said


def test_a_batch_of_one_is_refused_that_comes_once_all_layers_learn(tmp_path: Path) -> None:
    """A frozen batch norm takes one example; one that learns does not."""
    weights = tmp_path / "weights"
    weights.mkdir()
    torch.manual_seed(1)
    save_file(build((1, 6, 6), 3, **NORMED).state_dict(), weights / "model.safetensors")
    changes = {"start": StartWeights(weights, "0" * 64), "unfreeze": {"epochs": [1], "lr_multipliers": [1.0]}}
    check(tmp_path / "fits", NORMED, **changes)
    with pytest.raises(UserError, match=r"^train\.batch_size=15: .*batch norm"):
        check(tmp_path / "not", NORMED, n=61, batch_size=15, **changes)


def test_clusters_need_a_network_with_features(tmp_path: Path) -> None:
    check(tmp_path / "fits", MLP, task="cluster")
    with pytest.raises(UserError, match="neither an encoder nor a dense layer"):
        check(tmp_path / "not", own(Headless), task="cluster")


def test_a_head_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.name=target: .*\(5,\).* classify needs \(3,\)"):
        check(tmp_path, own(WrongHead))


def test_a_network_that_gives_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.name=target: .*\(1, 3\) for 2 examples"):
        check(tmp_path, own(OneRow))


def test_a_regression_has_one_output(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.name=target: .*\(3,\).* regress needs \(1,\)"):
        check(tmp_path, own(WrongHead), task="regress")
    check(tmp_path / "fits", MLP, task="regress")


def test_a_reconstruction_has_the_shape_of_the_image(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\(3,\).* reconstruct needs \(1, 6, 6\)"):
        check(tmp_path, MLP, task="reconstruct")
    autoencoder = {"name": "autoencoder", "channels": [4, 4], "kernel": 3, "code": 5, "activation": "relu"}
    check(tmp_path / "fits", autoencoder, task="reconstruct")


def test_layers_that_do_not_take_the_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.name=target: .*\(1, 6, 6\): .*shapes") as refused:
        check(tmp_path, own(WrongHead, features=35))
    assert "\n" not in str(refused.value)


def test_too_small_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^model\.channels=\[4, 4, 4\]: .*6×6 .*block 3"):
        check(tmp_path, CNN)


def test_an_error_names_the_section_that_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^retrain\.batch_size=1: .* another retrain\.batch_size"):
        check(tmp_path, NORMED, section="retrain", batch_size=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"args": {"momentun": 0.9}}, r"^train\.optimizer\.args=\{'momentun': 0\.9\}: adam "),
        ({"name": "nowhere.Adam"}, r"^train\.optimizer\.name=nowhere\.Adam: "),
        ({"name": "torch.nn.Linear"}, r"^train\.optimizer\.name=torch\.nn\.Linear: .*torch\.optim"),
    ],
)
def test_an_optimizer_that_cannot_be_built_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check(tmp_path, MLP, optimizer=ADAM | changes)
