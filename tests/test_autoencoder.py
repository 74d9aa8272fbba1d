"""The autoencoder: its outputs have the shape and range of images, and images that are too small are refused."""

import pytest
import torch

from networks import build
from sprout.runtime.errors import UserError

PLAIN = {"name": "autoencoder", "channels": [4, 6], "kernel": 3, "code": None, "activation": "relu"}


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 14), (2, 4, 5)])
@pytest.mark.parametrize("code", [None, 7])
def test_images_keep_their_shape_and_lie_in_range(shape: tuple[int, ...], code: int | None) -> None:
    torch.manual_seed(0)
    network = build(shape, 1, **PLAIN | {"code": code})
    images = 10 * torch.randn(5, *shape)
    restored = network(images)
    assert restored.shape == images.shape
    assert 0 <= restored.min() <= restored.max() <= 1
    narrow = network.encoder(images)
    assert narrow.shape == ((5, 7) if code else (5, 6, shape[1] // 4, shape[2] // 4))


@pytest.mark.parametrize(
    ("shape", "said"),
    [((1, 3, 8), r"model\.channels=\[4, 6\]: .*3×8 pixels.*2 halvings"), ((5,), r"model\.name=autoencoder: .*table")],
)
def test_what_is_too_small_is_said(shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build(shape, 1, **PLAIN)
