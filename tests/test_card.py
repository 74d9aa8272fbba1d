"""Model folders: reading one gives the same network, and no pickle is read or written."""

import json
import os
import pickle
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from networks import build
from sprout.models.architecture import architecture_from_dict
from sprout.models.card import ModelCard, load_card, save_model, write_card
from sprout.models.predictor import load_model
from sprout.runtime.checksums import write_sums
from sprout.runtime.errors import UserError

ARCHITECTURE: dict[str, Any] = {
    "name": "cnn",
    "channels": (4,),
    "convolutions": 1,
    "kernel": 3,
    "padding": "same",
    "pool": 2,
    "pooling": "max",
    "batch_norm": True,
    "conv_dropout": 0.0,
    "hidden": (8,),
    "activation": "relu",
    "dropout": 0.5,
}
CARD = ModelCard(
    task="classify",
    architecture=architecture_from_dict(ARCHITECTURE),
    classes=["a", "b", "ö"],
    input_shape=[8, 6, 2],
    mean=[0.5, 0.25],
    std=[0.125, 1.0],
    temperature=1.25,
    target=None,
    noise=None,
    parameters=100,
    role="teacher",
    kept=None,
)


class Tied(nn.Module):
    """Two names for one weight."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    network = build((2, 8, 6), 3, **ARCHITECTURE)
    network(torch.rand(16, 2, 8, 6))  # batch norm's running statistics are part of the state
    return network


@pytest.fixture
def folder(network: nn.Module, tmp_path: Path) -> Path:
    save_model(tmp_path, network.state_dict(), CARD)
    return tmp_path


def test_round_trip(network: nn.Module, folder: Path) -> None:
    loaded, card = load_model(folder)
    assert card == CARD
    assert json.loads((folder / "model.json").read_text())["architecture"] == json.loads(json.dumps(ARCHITECTURE))
    assert loaded.training is False
    state = network.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())
    images = torch.rand(5, 2, 8, 6)
    assert torch.equal(loaded(images), network.eval()(images))


def test_a_model_of_table_rows_is_read_back(tmp_path: Path) -> None:
    architecture: dict[str, Any] = {
        "name": "mlp",
        "hidden": (8,),
        "batch_norm": False,
        "activation": "relu",
        "dropout": 0.0,
    }
    network = build((4,), 3, **architecture)
    save_model(
        tmp_path,
        network.state_dict(),
        replace(CARD, architecture=architecture_from_dict(architecture), input_shape=[4]),
    )
    loaded, card = load_model(tmp_path)
    assert card.input_shape == [4]
    rows = torch.rand(5, 4)
    assert torch.equal(loaded(rows), network.eval()(rows))


def test_other_memory_layouts_are_read_back(network: nn.Module, tmp_path: Path) -> None:
    moved: nn.Module = network.to(memory_format=torch.channels_last)
    save_model(tmp_path, moved.state_dict(), CARD)
    found = load_model(tmp_path)[0].state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in moved.state_dict().items())


def test_tied_weights_are_read_back(tmp_path: Path) -> None:
    tied = Tied((1, 2, 2), 4)
    architecture = {"name": "target", "target": f"{__name__}.Tied", "args": {}}
    save_model(tmp_path, tied.state_dict(), replace(CARD, architecture=architecture_from_dict(architecture)))
    loaded, _ = load_model(tmp_path)
    assert torch.equal(loaded.first.weight, tied.first.weight)
    assert loaded.second.weight is loaded.first.weight


def test_the_same_model_gives_the_same_bytes(network: nn.Module, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_model(tmp_path / name, network.state_dict(), CARD)
    for file in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_no_pickle(network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pickled or unpickled")

    for name in ("load", "loads", "dump", "dumps", "Pickler", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(torch, "save", refuse)
    save_model(tmp_path, network.state_dict(), CARD)
    load_model(tmp_path)
    data = (tmp_path / "model.safetensors").read_bytes()
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert set(head) - {"__metadata__"} == set(network.state_dict())


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("write", [torch.save, lambda trap, path: path.write_bytes(pickle.dumps(trap))])
def test_a_pickle_in_the_place_of_the_weights_is_refused_unread(
    folder: Path, write: Callable[[Trap, Path], Any]
) -> None:
    write(Trap(folder / "sprung"), folder / "model.safetensors")
    with pytest.raises(UserError):
        load_model(folder)
    assert not (folder / "sprung").exists()


def damage_weights(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-10])


def change_card(folder: Path, old: str, new: str) -> None:
    """Another text in the card, vouched for by a checksum."""
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace(old, new))
    write_sums(folder, ["model.json", "model.safetensors"])


def change_classes(folder: Path) -> None:
    write_card(folder, replace(CARD, classes=["a", "b"]))


@pytest.mark.parametrize(
    ("damage", "file", "says"),
    [
        (lambda folder: (folder / "model.json").unlink(), "model.json", "no trained model here"),
        (lambda folder: (folder / "model.json").write_text("{"), "model.json", "damaged"),
        (lambda folder: (folder / "model.json").write_text("{}"), "model.json", "damaged"),
        (lambda folder: change_card(folder, "cnn", "cnm"), "model.json", "cnm"),
        (lambda folder: change_card(folder, "classes", "c"), "model.json", "damaged"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors", "No such file"),
        (damage_weights, "model.safetensors", "damaged or changed"),
        (change_classes, "model.safetensors", "size mismatch"),
    ],
)
def test_a_broken_model_is_refused_by_its_file(
    folder: Path, damage: Callable[[Path], Any], file: str, says: str
) -> None:
    damage(folder)
    with pytest.raises(UserError) as refused:
        load_model(folder)
    assert str(refused.value).startswith(f"{folder / file}: ")
    assert says in str(refused.value)
    assert "dvc repro" in str(refused.value)
    assert "\n" not in str(refused.value)


def flip(path: Path, at: float) -> None:
    """Change one bit at this share of a file."""
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
@pytest.mark.parametrize("at", [0.05, 0.5, 0.95])
def test_one_bit_is_noticed(folder: Path, name: str, at: float) -> None:
    flip(folder / name, at)
    with pytest.raises(UserError) as refused:
        load_model(folder)
    assert str(refused.value).startswith(f"{folder / name}: damaged or changed: its SHA-256 is ")
    assert "`dvc repro` makes it again" in str(refused.value)


def test_the_checksums_are_those_of_a_standard_tool(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match=r"has no checksum of model\.json, .*sha256sum model\.json >> SHA256SUMS"):
        load_model(folder)


def test_another_card_keeps_the_weights(folder: Path) -> None:
    write_card(folder, replace(CARD, kept="teacher"))
    assert load_card(folder).kept == "teacher"
    load_model(folder)
    assert [line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()] == [
        "model.json",
        "model.safetensors",
    ]


def test_another_card_does_not_hide_damaged_weights(folder: Path) -> None:
    flip(folder / "model.safetensors", 0.5)
    write_card(folder, replace(CARD, kept="teacher"))
    with pytest.raises(UserError, match=r"model\.safetensors: damaged or changed"):
        load_model(folder)


def test_the_card_of_an_unknown_task_is_refused(folder: Path) -> None:
    write_card(folder, replace(CARD, task="dream"))
    with pytest.raises(UserError, match=r"task=dream"):
        load_model(folder)
