"""Weights from elsewhere: brought whole and known, or refused in one line."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sprout.core.errors import UserError
from sprout.core.records import read_json, write_json
from sprout.core.validate import section
from sprout.pretrained import bring_pretrained
from sprout.settings.pretrained import Pretrained

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.0, -1.0])}


def sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bring(root: Path, source: str | None, sha256: str | None = None) -> Path:
    folder = root / "out"
    folder.mkdir()
    bring_pretrained(folder, root / "parts", source=source, sha256=sha256)
    return folder


def same(folder: Path) -> bool:
    found = load_file(folder / "model.safetensors")
    return found.keys() == WEIGHTS.keys() and all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)


def test_without_a_source_there_are_none(tmp_path: Path) -> None:
    folder = bring(tmp_path, None)
    assert [path.name for path in folder.iterdir()] == ["pretrained.json"]
    assert read_json(folder / "pretrained.json") is None


def test_a_model_folder_comes_with_its_card(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    save_file(WEIGHTS, model / "model.safetensors")
    write_json(model / "model.json", {"task": "classify"})
    folder = bring(tmp_path, str(model), sum_of(model / "model.safetensors"))
    assert same(folder)
    assert read_json(folder / "model.json") == {"task": "classify"}
    expected = {"source": str(model), "weights": sum_of(folder / "model.safetensors")}
    assert read_json(folder / "pretrained.json") == expected


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_of_tensors(tmp_path: Path, name: str, scheme: str) -> None:
    path = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(WEIGHTS, path)
    else:
        torch.save(WEIGHTS, path)
    folder = bring(tmp_path, f"{scheme}{path}", sum_of(path))
    assert same(folder)
    assert sorted(each.name for each in folder.iterdir()) == ["model.safetensors", "pretrained.json"]


def test_a_missing_checksum_is_told(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(WEIGHTS, path)
    with pytest.raises(UserError, match=f"pretrained.sha256=null: .*this file's is {sum_of(path)}"):
        bring(tmp_path, str(path))


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(WEIGHTS, path)
    with pytest.raises(UserError, match=f"expected SHA-256 {'0' * 64}, found {sum_of(path)}"):
        bring(tmp_path, str(path), "0" * 64)


class Runs:
    """What a pickle could do."""

    def __reduce__(self) -> Any:
        return (print, ("it ran",))


@pytest.mark.parametrize(
    ("content", "said"),
    [(Runs(), "holds no weights alone"), ({"state_dict": WEIGHTS}, "is no state dict"), ([1.0], "is no state dict")],
)
def test_what_is_no_weights_is_refused(
    tmp_path: Path, content: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.pth"
    torch.save(content, path)
    with pytest.raises(UserError, match=f"pretrained.source={path}: {said}"):
        bring(tmp_path, str(path), sum_of(path))
    assert "it ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "neither a model folder nor a .safetensors, .pth, .pt file"),
        ("empty", "holds no model.safetensors"),
        ("torchvision:resnet81", r"unknown \(did you mean resnet18\?\); accepted: alexnet"),
    ],
)
def test_a_source_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"pretrained.source={source}: {said}"):
        bring(tmp_path, source, "0" * 64)


def test_torchvision_gives_its_own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    torch.manual_seed(0)
    state = models.squeezenet1_1(weights=None).state_dict()
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    # What lies in the hub's cache was checked when it came.
    torch.save(state, cache / models.get_model_weights("squeezenet1_1").DEFAULT.url.rpartition("/")[2])
    folder = bring(tmp_path, "torchvision:squeezenet1_1")
    found = load_file(folder / "model.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"source": None, "sha256": "0" * 64}, "pretrained.sha256 is set, and source is null"),
        ({"source": "torchvision:resnet18", "sha256": "0" * 64}, "pretrained.sha256 is set, and torchvision checks"),
        ({"source": "w.pth", "sha256": "abc"}, 'pretrained.sha256="abc"'),
    ],
)
def test_settings_that_do_not_fit(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        section("pretrained", values, Pretrained)
    assert str(refused.value).startswith(said)
