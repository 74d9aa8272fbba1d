"""Model folders: the same network comes back, and no pickle is read or written."""

import json
import os
import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn

from sprout.models import build
from sprout.models.card import ModelCard, load_card, load_model, save_model, write_card
from sprout.runtime.errors import UserError

ARCHITECTURE = {
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
    architecture=ARCHITECTURE,
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

    def __init__(self, input_shape, outputs):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = build((2, 8, 6), 3, **ARCHITECTURE)
    network(torch.rand(16, 2, 8, 6))  # batch norm's running figures are part of the state
    return network


@pytest.fixture
def folder(network, tmp_path):
    save_model(tmp_path, network.state_dict(), CARD)
    return tmp_path


def test_round_trip(network, folder):
    loaded, card = load_model(folder)
    assert json.loads(json.dumps(ARCHITECTURE)) == card.architecture
    assert replace(card, architecture=ARCHITECTURE) == CARD
    assert loaded.training is False
    state = network.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())
    images = torch.rand(5, 2, 8, 6)
    assert torch.equal(loaded(images), network.eval()(images))


def test_a_model_of_table_rows_comes_back(tmp_path):
    architecture = {"name": "mlp", "hidden": (8,), "batch_norm": False, "activation": "relu", "dropout": 0.0}
    network = build((4,), 3, **architecture)
    save_model(tmp_path, network.state_dict(), replace(CARD, architecture=architecture, input_shape=[4]))
    loaded, card = load_model(tmp_path)
    assert card.input_shape == [4]
    rows = torch.rand(5, 4)
    assert torch.equal(loaded(rows), network.eval()(rows))


def test_other_memory_layouts_come_back(network, tmp_path):
    lasting = network.to(memory_format=torch.channels_last)
    save_model(tmp_path, lasting.state_dict(), CARD)
    found = load_model(tmp_path)[0].state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in lasting.state_dict().items())


def test_tied_weights_come_back(tmp_path):
    tied = Tied((1, 2, 2), 4)
    architecture = {"name": "target", "target": f"{__name__}.Tied", "args": {}}
    save_model(tmp_path, tied.state_dict(), replace(CARD, architecture=architecture))
    loaded, _ = load_model(tmp_path)
    assert torch.equal(loaded.first.weight, tied.first.weight)
    assert loaded.second.weight is loaded.first.weight


def test_the_same_model_gives_the_same_bytes(network, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_model(tmp_path / name, network.state_dict(), CARD)
    for file in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_no_pickle(network, tmp_path, monkeypatch):
    def refuse(*_, **__):
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

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("write", [torch.save, lambda trap, path: path.write_bytes(pickle.dumps(trap))])
def test_a_pickle_in_the_weights_place_is_refused_unread(folder, write):
    write(Trap(folder / "sprung"), folder / "model.safetensors")
    with pytest.raises(UserError):
        load_model(folder)
    assert not (folder / "sprung").exists()


def damaged_weights(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-10])


def weights_of_another(folder):
    write_card(folder, replace(CARD, classes=["a", "b"]))


@pytest.mark.parametrize(
    ("damage", "file", "says"),
    [
        (lambda folder: (folder / "model.json").unlink(), "model.json", "no trained model here"),
        (lambda folder: (folder / "model.json").write_text("{"), "model.json", "damaged"),
        (lambda folder: (folder / "model.json").write_text("{}"), "model.json", "damaged"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors", "No such file"),
        (damaged_weights, "model.safetensors", "not this model's weights"),
        (weights_of_another, "model.safetensors", "size mismatch"),
    ],
)
def test_a_broken_model_is_refused_by_its_file(folder, damage, file, says):
    damage(folder)
    with pytest.raises(UserError) as refused:
        load_model(folder)
    assert str(refused.value).startswith(f"{folder / file}: ")
    assert says in str(refused.value)
    assert "dvc repro" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_card_alone(tmp_path):
    write_card(tmp_path, replace(CARD, kept="teacher"))
    assert load_card(tmp_path).kept == "teacher"
