"""A small residual network."""

from typing import Any

import pytest
import torch

from networks import build
from sprout.config.model import MODELS
from sprout.config.validate import choice
from sprout.models.resnet import Residual
from sprout.runtime.errors import UserError

RESNET: dict[str, Any] = {
    "name": "resnet",
    "stem": None,
    "patch": 1,
    "widths": [4, 8],
    "blocks": 1,
    "activation": "relu",
    "pooling": "max",
    "dropout": 0.0,
    "flip_average": False,
}


@pytest.mark.parametrize("changes", [{}, {"stem": 3, "patch": 2}, {"pooling": "average", "blocks": [0, 2]}])
def test_shapes_and_blocks(changes: dict[str, Any]) -> None:
    network = build((3, 16, 12), 7, **RESNET | changes)
    assert network(torch.rand(2, 3, 16, 12)).shape == (2, 7)
    assert sum(isinstance(module, Residual) for module in network.modules()) == 2


def test_flips_are_averaged_outside_of_training() -> None:
    torch.manual_seed(0)
    network = build((1, 8, 8), 3, **RESNET | {"flip_average": True})
    plain = build((1, 8, 8), 3, **RESNET)
    plain.load_state_dict(network.state_dict())
    images = torch.rand(4, 1, 8, 8)
    network.eval(), plain.eval()
    both = (plain(images) + plain(images.flip(-1))) / 2
    torch.testing.assert_close(network(images), both)
    torch.testing.assert_close(network(images), network(images.flip(-1)))
    network.train(), plain.train()
    torch.testing.assert_close(network(images), plain(images))


@pytest.mark.parametrize(
    ("shape", "said"), [((1, 3, 8), r"model\.widths=\[4, 8\]: .*3×8 pixels"), ((5,), r"model\.name=resnet: .*table")]
)
def test_what_does_not_fit_is_said(shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(shape, 3, **RESNET)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"blocks": [1]}, r"model\.blocks=\[1\].*widths=\[4, 8\]"),
        ({"patch": 2}, r"model\.patch=2.*stem"),
        ({"widths": []}, r"model\.widths=\[\]"),
    ],
)
def test_settings_that_do_not_fit(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        choice("model", RESNET | changes, "name", MODELS)
