"""`sprout predict` with a network of torchvision."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import models

from commands import Ended
from servers import site
from sprout.data.sources import http
from sprout.data.sources.transfer import UnreachableError
from sprout.predict import torchvision_model
from sprout.predict.torchvision_model import TorchvisionModel
from sprout.runtime.errors import UserError
from sprout.weights.published import cached_file, published_weights
from sprout.weights.tensor_file import load_tensors

NAME = "squeezenet1_1"


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """Random weights."""
    torch.manual_seed(3)
    return models.squeezenet1_1(weights=None).eval()


@pytest.fixture
def weights(network: torch.nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def picture(project: Path) -> Path:
    levels = np.random.default_rng(0).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    Image.fromarray(levels).save(project / "a.png")
    return project / "a.png"


def expected(network: torch.nn.Module, picture: Path) -> dict[str, float]:
    """Torchvision's own prediction: its five most likely classes."""
    published = models.SqueezeNet1_1_Weights.DEFAULT
    with torch.inference_mode():
        found = network(published.transforms()(Image.open(picture))[None])[0].softmax(0).topk(5)
    return {
        published.meta["categories"][index]: share
        for share, index in zip(found.values.tolist(), found.indices.tolist(), strict=True)
    }


@pytest.mark.parametrize("kind", ["pth", "pt", "safetensors"])
def test_classes_and_probabilities_are_torchvisions(
    network: torch.nn.Module, picture: Path, sprout: Callable[..., Ended], tmp_path: Path, kind: str
) -> None:
    file = tmp_path / f"weights.{kind}"
    save_file(network.state_dict(), file) if kind == "safetensors" else torch.save(network.state_dict(), file)
    done = sprout("predict", "a.png", "--model", f"torchvision:{NAME}", "--weights", file, "--json")
    assert (done.code, done.err) == (0, "")
    (answer,) = [json.loads(line) for line in done.out.splitlines()]
    found = {each["class"]: each["probability"] for each in answer["top"]}
    wanted = expected(network, picture)
    assert list(found) == list(wanted)
    np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=1e-4)


def test_grey_images_of_any_size_and_bad_ones(
    picture: Path, weights: Path, sprout: Callable[..., Ended], project: Path
) -> None:
    Image.new("L", (3, 5), 90).save(project / "grey.png")
    (project / "bad.png").write_bytes(b"text")
    words = ["--model", f"torchvision:{NAME}", "--weights", weights, "--top", 2]
    done = sprout("predict", "bad.png", "a.png", "grey.png", *words)
    assert done.code == 1
    assert done.err.startswith("bad.png: not an image in a known format")
    assert [line.count("%") for line in done.out.splitlines()] == [2, 2]


class TestArchitectures:
    """Networks that torchvision builds in another way where it has weights."""

    def saved(self, name: str, tmp_path: Path, **options: Any) -> tuple[torch.nn.Module, Path]:
        torch.manual_seed(0)
        network = models.get_model(name, weights=None, **options).eval()
        torch.save(network.state_dict(), tmp_path / "weights.pth")
        return network, tmp_path / "weights.pth"

    def same(self, name: str, network: torch.nn.Module, file: Path) -> None:
        found = TorchvisionModel(name, file, [torch.device("cpu")], None)
        image = torch.rand(1, 3, *found.shape[:2])
        with torch.inference_mode():
            torch.testing.assert_close(found.network(image), network(image))

    def test_googlenet_transforms_its_input(self, tmp_path: Path) -> None:
        self.same(
            "googlenet",
            *self.saved("googlenet", tmp_path, transform_input=True, init_weights=False, aux_logits=True),
        )

    @pytest.mark.parametrize("name", ["densenet121", "mnasnet0_5", "mobilenet_v3_small"])
    def test_others(self, name: str, tmp_path: Path) -> None:
        self.same(name, *self.saved(name, tmp_path))


def test_torchvision_is_left_as_it_was(weights: Path) -> None:
    published = published_weights(NAME, "")
    TorchvisionModel(NAME, weights, [torch.device("cpu")], None)
    assert "get_state_dict" not in vars(published)


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("unpickled",))


@pytest.mark.parametrize(
    ("held", "name", "said"),
    [
        (None, "nowhere.pth", "nowhere.pth: no such file"),
        (b"", "empty.pth", "empty.pth: no weights, or more than weights ("),
        (b"text", "text.pt", "text.pt: no weights, or more than weights ("),
        (b"text", "text.safetensors", "text.safetensors: no weights, or more than weights ("),
        (b"text", "weights.bin", "weights.bin: no weights"),
        (Evil(), "evil.pth", "evil.pth: no weights, or more than weights ("),
        ({"state_dict": {}}, "wrapped.pth", "wrapped.pth: not a state dict"),
        ([torch.ones(1)], "list.pth", "list.pth: not a state dict"),
        ({"a": torch.ones(1)}, "other.pth", "other.pth: not the weights of torchvision's squeezenet1_1 ("),
    ],
)
def test_files_without_its_weights_are_refused(
    picture: Path, sprout: Callable[..., Ended], project: Path, held: Any, name: str, said: str
) -> None:
    if isinstance(held, bytes):
        (project / name).write_bytes(held)
    elif held is not None:
        torch.save(held, project / name)
    done = sprout("predict", "a.png", "--model", f"torchvision:{NAME}", "--weights", name)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"error: --weights {said}")
    assert len(done.err) < 700


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "torchvision:resnet51"], "torchvision has no such classification network (did you mean "),
        (["--model", "torchvision:"], "torchvision has no such classification network; accepted: alexnet, "),
        (["--model", "torchvision:fcn_resnet50"], "torchvision has no such classification network (did you "),
        (["--model", f"torchvision:{NAME}", "--top", "1001"], "knows 1000 classes; accepted: 1 to 1000"),
        (["--model", f"torchvision:{NAME}", "--resize", "fit"], "--resize fit: torchvision:squeezenet1_1 has its own"),
    ],
)
def test_wrong_arguments_are_refused(picture: Path, sprout: Callable[..., Ended], words: list[str], said: str) -> None:
    done = sprout("predict", "a.png", *words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err


def test_similar_names_are_suggested() -> None:
    with pytest.raises(UserError, match=r"--model torchvision:resnet51: .* \(did you mean resnet50\?\)"):
        published_weights("resnet51", "--model torchvision:resnet51")


class TestFetched:
    """Weights from a server, into torchvision's cache."""

    DATA = b"some weights"

    @pytest.fixture(autouse=True)
    def hub(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setattr(http, "BACKOFF", 0.0)
        return tmp_path / "torch/hub/checkpoints"

    def name(self, data: bytes) -> str:
        return f"net-{sha256(data).hexdigest()[:8]}.pth"

    def test_weights_are_fetched_once(self, hub: Path) -> None:
        with site(self.DATA) as server:
            url = f"{server.address}/{self.name(self.DATA)}"
            first, second = cached_file(url, "advice"), cached_file(url, "advice")
        assert first == second == hub / self.name(self.DATA)
        assert first.read_bytes() == self.DATA
        assert len(server.asked) == 1
        assert [path.name for path in hub.iterdir()] == [first.name]

    def test_weights_with_another_checksum_are_not_kept(self, hub: Path) -> None:
        with site(b"others") as server, pytest.raises(UnreachableError, match="expected SHA-256"):
            cached_file(f"{server.address}/{self.name(self.DATA)}", "advice")
        assert list(hub.iterdir()) == []

    def test_a_damaged_cache_is_reported(self, hub: Path) -> None:
        hub.mkdir(parents=True)
        (hub / self.name(self.DATA)).write_bytes(b"damaged")
        with pytest.raises(UserError, match="remove the file"):
            cached_file(f"http://127.0.0.1:1/{self.name(self.DATA)}", "advice")

    def test_no_network_ends_with_1_and_says_what_to_do(
        self, picture: Path, sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nobody = lambda url, advice: cached_file(f"http://127.0.0.1:1/{url.rpartition('/')[2]}", advice)  # noqa: E731
        monkeypatch.setattr(torchvision_model, "cached_file", nobody)
        done = sprout("predict", "a.png", "--model", f"torchvision:{NAME}")
        assert (done.code, done.out) == (1, "")
        last = done.err.splitlines()[-1]
        assert re.fullmatch(
            r"error: squeezenet1_1-b8a52dc0\.pth cannot be downloaded from http://127\.0\.0\.1:1/.*; "
            r"download it elsewhere and give it with --weights FILE",
            last,
        )


def test_names_of_tensors_are_kept(weights: Path, network: torch.nn.Module) -> None:
    found = load_tensors(weights, "")
    assert list(found) == list(network.state_dict())
