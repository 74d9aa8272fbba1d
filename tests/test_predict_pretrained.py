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
from sprout.models.weights.torchvision import UnreachableError, fetched, read_weights
from sprout.predict import torchvision as pretrained
from sprout.predict.torchvision import Pretrained, published_weights
from sprout.runtime.errors import UserError

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
    """What torchvision itself says: its five likeliest classes."""
    published = models.SqueezeNet1_1_Weights.DEFAULT
    with torch.inference_mode():
        found = network(published.transforms()(Image.open(picture))[None])[0].softmax(0).topk(5)
    return {
        published.meta["categories"][index]: share
        for share, index in zip(found.values.tolist(), found.indices.tolist(), strict=True)
    }


@pytest.mark.parametrize("kind", ["pth", "pt", "safetensors"])
def test_names_and_shares_are_torchvisions(
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
    assert done.err.startswith("bad.png: no image of a known format")
    assert [line.count("%") for line in done.out.splitlines()] == [2, 2]


class TestArchitectures:
    """Networks that torchvision builds in another way where it has weights."""

    def saved(self, name: str, tmp_path: Path, **options: Any) -> tuple[torch.nn.Module, Path]:
        torch.manual_seed(0)
        network = models.get_model(name, weights=None, **options).eval()
        torch.save(network.state_dict(), tmp_path / "weights.pth")
        return network, tmp_path / "weights.pth"

    def same(self, name: str, network: torch.nn.Module, file: Path) -> None:
        found = Pretrained(name, file, None)
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
    published = published_weights(NAME)
    Pretrained(NAME, weights, None)
    assert "get_state_dict" not in vars(published)


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("unpickled",))


@pytest.mark.parametrize(
    ("held", "name", "said"),
    [
        (None, "nowhere.pth", "nowhere.pth: no such file"),
        (b"", "empty.pth", "empty.pth: holds no weights, or more than weights ("),
        (b"text", "text.pt", "text.pt: holds no weights, or more than weights ("),
        (b"text", "text.safetensors", "text.safetensors: holds no weights, or more than weights ("),
        (b"text", "weights.bin", "weights.bin: not a file of weights; accepted: .safetensors, .pth, .pt"),
        (Evil(), "evil.pth", "evil.pth: holds no weights, or more than weights ("),
        ({"state_dict": {}}, "wrapped.pth", "wrapped.pth: is no state dict"),
        ([torch.ones(1)], "list.pth", "list.pth: is no state dict"),
        ({"a": torch.ones(1)}, "other.pth", "other.pth: not the weights of torchvision's squeezenet1_1 ("),
    ],
)
def test_what_are_no_weights_is_refused(
    picture: Path, sprout: Callable[..., Ended], project: Path, held: Any, name: str, said: str
) -> None:
    if isinstance(held, bytes):
        (project / name).write_bytes(held)
    elif held is not None:
        torch.save(held, project / name)
    done = sprout("predict", "a.png", "--model", f"torchvision:{NAME}", "--weights", name)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"error: {said}")
    assert len(done.err) < 700


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "torchvision:resnet51"], "torchvision has no network of this name that classifies; did you mean "),
        (["--model", "torchvision:"], "torchvision has no network of this name that classifies; accepted: alexnet, "),
        (["--model", "torchvision:fcn_resnet50"], "torchvision has no network of this name that classifies; did you "),
        (["--model", f"torchvision:{NAME}", "--top", "1001"], "knows 1000 classes; accepted: 1 to 1000"),
        (["--model", f"torchvision:{NAME}", "--resize", "fit"], "--resize fit: torchvision:squeezenet1_1 brings"),
    ],
)
def test_what_cannot_be_is_refused(picture: Path, sprout: Callable[..., Ended], words: list[str], said: str) -> None:
    done = sprout("predict", "a.png", *words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err


def test_near_names_are_said() -> None:
    with pytest.raises(UserError, match="did you mean resnet50, resnet18, "):
        published_weights("resnet51")


class TestFetched:
    """Weights from a server, into torchvision's cache."""

    DATA = b"some weights"

    @pytest.fixture(autouse=True)
    def hub(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setattr(http, "WAIT", 0.0)
        return tmp_path / "torch/hub/checkpoints"

    def name(self, data: bytes) -> str:
        return f"net-{sha256(data).hexdigest()[:8]}.pth"

    def test_they_come_once(self, hub: Path) -> None:
        with site(self.DATA) as server:
            url = f"{server.address}/{self.name(self.DATA)}"
            first, second = fetched(url), fetched(url)
        assert first == second == hub / self.name(self.DATA)
        assert first.read_bytes() == self.DATA
        assert len(server.asked) == 1
        assert [path.name for path in hub.iterdir()] == [first.name]

    def test_others_than_the_name_says_are_not_kept(self, hub: Path) -> None:
        with site(b"others") as server, pytest.raises(UnreachableError, match="gave another file"):
            fetched(f"{server.address}/{self.name(self.DATA)}")
        assert list(hub.iterdir()) == []

    def test_a_damaged_cache_is_said(self, hub: Path) -> None:
        hub.mkdir(parents=True)
        (hub / self.name(self.DATA)).write_bytes(b"damaged")
        with pytest.raises(UserError, match="remove it, and it is fetched anew"):
            fetched(f"http://127.0.0.1:1/{self.name(self.DATA)}")

    def test_no_network_ends_with_1_and_says_what_to_do(
        self, picture: Path, sprout: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nobody = lambda url: fetched(f"http://127.0.0.1:1/{url.rpartition('/')[2]}")  # noqa: E731
        monkeypatch.setattr(pretrained, "fetched", nobody)
        done = sprout("predict", "a.png", "--model", f"torchvision:{NAME}")
        assert (done.code, done.out) == (1, "")
        last = done.err.splitlines()[-1]
        assert re.fullmatch(
            r"error: http://127\.0\.0\.1:1/squeezenet1_1-b8a52dc0\.pth: cannot be fetched \(.*\); "
            r"fetch it elsewhere and give it with --weights FILE",
            last,
        )


def test_names_of_tensors_are_kept(weights: Path, network: torch.nn.Module) -> None:
    found = read_weights(weights)
    assert list(found) == list(network.state_dict())
