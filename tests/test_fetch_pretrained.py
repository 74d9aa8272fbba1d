"""Weights fetched from files, model folders, servers and torchvision to data/pretrained."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

import handmade
from servers import refuse, short, site
from sprout.config.pretrained import Pretrained
from sprout.config.validate import section
from sprout.data.sources import http
from sprout.models.predictor import load_model
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json
from sprout.weights.fetch import fetch_pretrained
from warm_python import warm_python

ROOT = Path(__file__).parents[1]
WEIGHTS = {"layer.weight": torch.arange(6.0).reshape(2, 3).T, "layer.bias": torch.ones(2, dtype=torch.float16)}
"""One of them is not contiguous."""


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(http, "BACKOFF", 0.0)
    (tmp_path / "out").mkdir()
    return tmp_path


def bring(source: Any, digest: str | None = None) -> dict[str, Any]:
    """Fetch weights to the folder `out` and return pretrained.json."""
    fetch_pretrained(source, Path("out"), Path("partial"), sha256=digest)
    described: dict[str, Any] = read_json(Path("out/pretrained.json"))
    return described


def refusal(source: str, digest: str | None = None) -> str:
    with pytest.raises(UserError) as refused:
        bring(source, digest)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def written(name: str, held: Any = WEIGHTS) -> str:
    """Write a file of weights and return its checksum."""
    if name.endswith(".safetensors"):
        save_file({key: tensor.contiguous() for key, tensor in held.items()}, name)
    else:
        torch.save(held, name)
    return digest_of(name)


def digest_of(path: str | Path) -> str:
    return sha256(Path(path).read_bytes()).hexdigest()


def same_weights(wanted: dict[str, torch.Tensor]) -> bool:
    found = load_file("out/model.safetensors")
    return found.keys() == wanted.keys() and all(
        torch.equal(found[key], wanted[key]) and found[key].dtype == wanted[key].dtype for key in wanted
    )


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.safetensors"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file(workspace: Path, name: str, scheme: str) -> None:
    digest = written(name)
    source = f"{scheme}{workspace}/{name}" if scheme else name
    described = bring(source, digest)
    assert sorted(os.listdir("out")) == ["model.safetensors", "pretrained.json"]
    assert same_weights(WEIGHTS)
    assert described == {"source": source, "sha256": digest, "weights": digest_of("out/model.safetensors")}


@pytest.mark.parametrize("carded", [True, False])
def test_a_model_folder(carded: bool) -> None:
    model = handmade.model("classify", (6, 6, 1))
    folder = handmade.save(Path("models/mine"), model)
    if not carded:
        (folder / "model.json").unlink()
    bring("models/mine", digest_of(folder / "model.safetensors"))
    assert same_weights(model.network.state_dict())
    assert Path("out/model.json").exists() == carded
    if carded:
        network, card = load_model(Path("out"))
        assert card == model.card
        images = torch.rand(2, 1, 6, 6)
        torch.testing.assert_close(network(images), model.network(images))


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_damaged_model_folder_is_refused(name: str) -> None:
    """Checksums that were written anew beside the copy would hide it."""
    folder = handmade.save(Path("models/mine"), handmade.model("classify", (6, 6, 1)))
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    said = refusal("models/mine", digest_of(folder / "model.safetensors"))
    assert said.startswith(f"{Path('models/mine').resolve() / name}: damaged or changed: ")
    assert os.listdir("out") == []


def test_a_relative_path_is_in_the_main_workspace(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = written("a.pth")
    (workspace / "copy/out").mkdir(parents=True)
    monkeypatch.chdir("copy")
    monkeypatch.setenv("DVC_ROOT", str(workspace))
    assert bring("a.pth", digest)["source"] == "a.pth"
    assert same_weights(WEIGHTS)


@pytest.mark.parametrize("query", ["", "?token=1"])
def test_a_url_that_breaks_off(query: str) -> None:
    digest = written("a.pth")
    with site(Path("a.pth").read_bytes(), short(100)) as server:
        bring(f"{server.address}/a.pth{query}", digest)
    assert same_weights(WEIGHTS)
    assert server.ranges == [None, "bytes=100-"]
    assert os.listdir("partial") == []


@pytest.mark.parametrize("kind", ["file", "folder", "url"])
def test_a_missing_checksum_is_named_and_can_be_pasted(kind: str) -> None:
    digest = written("a.safetensors")
    Path("folder").mkdir()
    Path("folder/model.safetensors").write_bytes(Path("a.safetensors").read_bytes())
    with site(Path("a.safetensors").read_bytes()) as server:
        url = f"{server.address}/a.safetensors"
        source = {"file": "a.safetensors", "folder": "folder", "url": url}[kind]
        message = refusal(source)
        assert message.startswith("pretrained.sha256=null: ")
        assert source in message
        assert message.endswith(f"set pretrained.sha256={digest}")
        assert not Path("out/pretrained.json").exists()
        bring(source, message.rpartition("=")[2])
    assert same_weights(WEIGHTS)


def test_another_file_than_expected() -> None:
    digest = written("a.pth")
    message = refusal("a.pth", "0" * 64)
    assert f"expected SHA-256 {'0' * 64}, found {digest}" in message
    assert "pretrained.sha256 to the checksum of the right ones" in message


def test_a_server_without_the_file() -> None:
    with site(b"", refuse(404)) as server:
        assert "404" in refusal(f"{server.address}/a.pth", "0" * 64)


def test_a_password_is_not_written_anywhere() -> None:
    digest = written("a.safetensors")
    with site(Path("a.safetensors").read_bytes()) as server:
        source = server.address.replace("://", "://me:secret@") + "/a.safetensors"
        assert "secret" not in refusal(source)
        assert bring(source, digest)["source"] == source.replace("me:secret", "***")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.pth", "nowhere.pth"),
        ("nowhere", "pretrained.source=nowhere: neither a model folder nor a .safetensors, .pth, .pt file; accepted"),
        ("weights.bin", "pretrained.source=weights.bin: neither"),
        ("https://example.org/weights", "pretrained.source=https://example.org/weights: neither"),
        ("empty", "pretrained.source=empty: no model.safetensors"),
        (
            "torchvision:resnet19",
            "source=torchvision:resnet19: torchvision has no such classification network (did you mean resnet",
        ),
        ("torchvision:fcn_resnet50", "pretrained.source=torchvision:fcn_resnet50: torchvision has no such"),
    ],
)
def test_an_invalid_source(source: str, said: str) -> None:
    Path("empty").mkdir()
    assert said in refusal(source, None if source.startswith("torchvision") else "0" * 64)


class Evil:
    def __reduce__(self) -> Any:
        return (Path("unpickled").touch, ())


@pytest.mark.parametrize(
    ("name", "held", "said"),
    [
        ("a.pth", Evil(), "no weights, or more than weights ("),
        ("a.pth", nn.Linear(1, 1), "no weights, or more than weights ("),
        ("a.pth", {"state_dict": {}}, "not a state dict, tensors by name"),
        ("a.pt", [torch.ones(1)], "not a state dict, tensors by name"),
        ("a.pth", b"text", "no weights, or more than weights ("),
        ("a.pth", b"", "no weights, or more than weights ("),
        ("a.safetensors", b"text", "not a safetensors file ("),
        ("a.safetensors", b"", "not a safetensors file ("),
    ],
)
def test_files_without_weights(name: str, held: Any, said: str) -> None:
    if isinstance(held, bytes):
        Path(name).write_bytes(held)
    else:
        torch.save(held, name)
    assert refusal(name, digest_of(name)).startswith(f"pretrained.source={name}: {said}")
    assert not Path("unpickled").exists()


def test_half_a_safetensors_file() -> None:
    written("a.safetensors")
    whole = Path("a.safetensors").read_bytes()
    Path("a.safetensors").write_bytes(whole[:-1])
    assert "not a safetensors file" in refusal("a.safetensors", digest_of("a.safetensors"))


class TestTorchvision:
    """The published weights, from a local server."""

    @pytest.fixture(autouse=True)
    def hub(self, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("TORCH_HOME", str(workspace / "torch"))
        return workspace / "torch/hub/checkpoints"

    def network(self, name: str) -> nn.Module:
        torch.manual_seed(3)
        found: nn.Module = models.get_model(name, weights=None)
        return found

    def published(self, monkeypatch: pytest.MonkeyPatch, name: str, address: str, data: bytes) -> str:
        """Set the address of a network's best weights, and return the file's name."""
        file = f"{name}-{sha256(data).hexdigest()[:8]}.pth"
        best = models.get_model_weights(name).DEFAULT
        monkeypatch.setattr(best, "_value_", type(best.value)(f"{address}/{file}", best.transforms, best.meta))
        return file

    def saved(self, held: Any) -> bytes:
        torch.save(held, "published.pth")
        return Path("published.pth").read_bytes()

    def test_they_are_downloaded_once(self, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        name = "shufflenet_v2_x0_5"
        weights = self.network(name).state_dict()
        data = self.saved(weights)
        with site(data, short(1000)) as server:
            file = self.published(monkeypatch, name, server.address, data)
            described = bring(f"torchvision:{name}")
            again = bring(f"torchvision:{name}")
        assert server.ranges == [None, "bytes=1000-"]
        assert described == again
        assert described["source"] == f"torchvision:{name}"
        assert same_weights(weights)
        assert os.listdir(hub) == [file]

    def test_older_tensor_names_are_renamed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        weights = self.network("densenet121").state_dict()
        older = {
            key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): tensor
            for key, tensor in weights.items()
            if not key.endswith("num_batches_tracked")
        }
        assert older.keys() - weights.keys()
        data = self.saved(older)
        with site(data) as server:
            self.published(monkeypatch, "densenet121", server.address, data)
            bring("torchvision:densenet121")
        assert same_weights(weights)

    def test_an_unexpected_file(self, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with site(b"others") as server:
            self.published(monkeypatch, "resnet18", server.address, b"weights")
            message = refusal("torchvision:resnet18")
        assert message.startswith("pretrained.source=torchvision:resnet18: resnet18-")
        assert server.address in message
        assert "expected SHA-256" in message
        assert "--weights" not in message
        assert os.listdir(hub) == []

    def test_a_damaged_cache(self, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = self.published(monkeypatch, "resnet18", "http://127.0.0.1:1", b"weights")
        hub.mkdir(parents=True)
        (hub / file).write_bytes(b"damaged")
        assert "remove the file" in refusal("torchvision:resnet18")

    def test_no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.published(monkeypatch, "resnet18", "http://127.0.0.1:1", b"weights")
        message = refusal("torchvision:resnet18")
        assert "cannot be downloaded" in message
        assert "give its path as pretrained.source, with pretrained.sha256" in message

    def test_nothing_is_unpickled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = self.saved(Evil())
        with site(data) as server:
            self.published(monkeypatch, "resnet18", server.address, data)
            assert "no weights, or more than weights (" in refusal("torchvision:resnet18")
        assert not Path("unpickled").exists()


class TestStage:
    """The stage script."""

    def stage(self, workspace: Path, python: str, **values: Any) -> "subprocess.CompletedProcess[str]":
        (workspace / "build").mkdir(exist_ok=True)
        (workspace / "build/config.yaml").write_text(yaml.safe_dump({"pretrained": values}))
        code = (
            "import runpy, sys\n"
            "try: runpy.run_path(sys.argv[1], run_name='__main__')\n"
            "finally: print(*sorted({name.partition('.')[0] for name in sys.modules}))"
        )
        env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
        script = str(ROOT / "pipelines/pretrained.py")
        return subprocess.run(
            [python, "-c", code, script], env=env, capture_output=True, text=True, check=False, cwd=workspace
        )

    def test_without_a_source_it_is_quick(self, workspace: Path) -> None:
        done = self.stage(workspace, sys.executable, source=None, sha256=None)
        assert (done.returncode, done.stderr) == (0, "")
        assert os.listdir("data/pretrained") == ["pretrained.json"]
        assert read_json(workspace / "data/pretrained/pretrained.json") is None
        assert {"torch", "torchvision", "mlflow", "safetensors"} & set(done.stdout.split()) == set()

    def test_a_refusal_leaves_what_was_there(self, workspace: Path) -> None:
        digest = written("a.safetensors")
        assert self.stage(workspace, warm_python(), source="a.safetensors", sha256=digest).returncode == 0
        before = Path("data/pretrained/pretrained.json").read_bytes()
        done = self.stage(workspace, warm_python(), source="a.safetensors", sha256="0" * 64)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert Path("data/pretrained/pretrained.json").read_bytes() == before
        assert os.listdir("data") == ["pretrained"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"source": None, "sha256": "0" * 64}, "pretrained.sha256 is set, but source is null"),
        ({"source": "torchvision:resnet18", "sha256": "0" * 64}, "pretrained.sha256 is set, but torchvision checks"),
        ({"source": "w.pth", "sha256": "abc"}, 'pretrained.sha256="abc"'),
        ({"source": "w.pth"}, "pretrained.sha256: is missing"),
    ],
)
def test_contradictory_settings(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        section("pretrained", values, Pretrained)
    assert str(refused.value).startswith(said)
