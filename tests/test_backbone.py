"""Torchvision's networks with a new head."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import models

from networks import build
from sprout.config.compose import compose_config
from sprout.runtime.errors import UserError

SMALL = "shufflenet_v2_x0_5"


def backbone(shape: tuple[int, ...], architecture: str = SMALL, side: int | None = 64) -> nn.Module:
    torch.manual_seed(0)
    return build(shape, 7, name="backbone", architecture=architecture, side=side)


@pytest.mark.parametrize("architecture", [SMALL, "googlenet", "inception_v3", "vit_b_16"])
def test_one_number_for_each_class_and_all_of_it_learns(architecture: str) -> None:
    side = 96 if architecture == "inception_v3" else 224
    network = backbone((1, 9, 12), architecture, side).train()
    found = network(torch.rand(2, 1, 9, 12))
    assert found.shape == (2, 7)
    found.sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_it_is_torchvisions_network_but_for_the_head() -> None:
    network = backbone((3, 64, 64)).eval()
    theirs = models.get_model(SMALL, weights=None).eval()
    weights = {name.removeprefix("network."): tensor for name, tensor in network.state_dict().items()}
    theirs.fc = nn.Linear(theirs.fc.in_features, 7)
    theirs.load_state_dict(weights)
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(network(images), theirs(images))


def test_images_are_brought_to_a_side_and_to_colour() -> None:
    network = backbone((1, 9, 12)).eval()
    images = torch.rand(2, 1, 9, 12)
    colour = images.repeat(1, 3, 1, 1)
    large = functional.interpolate(colour, (64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(network(images), network(colour))
    torch.testing.assert_close(network(images), network.network(large))


def test_large_images_are_averaged_not_sampled() -> None:
    """Stripes of one pixel become grey; without antialiasing they would be black or white."""
    network, seen = backbone((3, 256, 256)), []
    network.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    stripes = (torch.arange(256) % 2).float().expand(2, 3, 256, 256)
    network(stripes)
    assert seen[0].shape == (2, 3, 64, 64)
    assert (seen[0] - 0.5).abs().max() < 0.1


def test_without_a_side_images_stay() -> None:
    network, seen = backbone((3, 40, 50), side=None), []
    network.network.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    network(torch.rand(2, 3, 40, 50))
    assert seen == [(2, 3, 40, 50)]


@pytest.mark.parametrize(
    ("shape", "architecture", "side", "said"),
    [
        (
            (3, 64, 64),
            "resnet19",
            64,
            r"model\.architecture=resnet19: unknown \(did you mean resnet.*; accepted: alexnet",
        ),
        ((3, 64, 64), "fcn_resnet50", 64, r"model\.architecture=fcn_resnet50: unknown"),
        ((3, 64, 64), "squeezenet1_1", 64, r"model\.architecture: .*dense layer"),
        ((3, 64, 64), "vit_b_16", 64, r"model\.architecture=vit_b_16: .*224×224.*64×64.*model\.side=224"),
        ((3, 224, 64), "vit_b_16", None, r"model\.architecture=vit_b_16: .*224×224.*224×64"),
        ((4, 64, 64), SMALL, 64, r"model\.name=backbone: .*grey or colour"),
        ((5,), SMALL, 64, r"model\.name=backbone: .*grey or colour"),
    ],
)
def test_what_cannot_be(shape: tuple[int, ...], architecture: str, side: int | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        backbone(shape, architecture, side)


@pytest.mark.parametrize("file", [p.stem for p in Path("conf/model").glob("*.yaml") if "backbone" in p.read_text()])
def test_the_files_of_the_section_can_be_built(file: str) -> None:
    section = compose_config(Path("conf"), "digits", [f"model={file}"]).config["model"]
    assert section["architecture"] == file
    network = build((1, 8, 8), 10, **section).eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 1, 8, 8)).shape == (1, 10)
