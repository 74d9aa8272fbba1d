"""Each transform against a reference."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sprout.augment.draws import draws
from sprout.augment.transforms import augment as augment_by
from sprout.augment.transforms import drop_entries
from sprout.config.augment import Augment, Transforms

NOTHING: dict[str, Any] = {
    "flip": 0.0,
    "flip_vertical": 0.0,
    "shift": 0.0,
    "rotate": 0.0,
    "zoom": 0.0,
    "shear": 0.0,
    "crop": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "gamma": 0.0,
    "colour": 0.0,
    "noise": 0.0,
    "erase": 0.0,
    "drop": 0.0,
    "fill": "zeros",
}
ALL = NOTHING | {
    "flip": 0.5,
    "flip_vertical": 0.5,
    "shift": 0.2,
    "rotate": 30.0,
    "zoom": 0.2,
    "shear": 10.0,
    "crop": 0.4,
    "brightness": 0.3,
    "contrast": 0.4,
    "gamma": 0.5,
    "colour": 0.5,
    "noise": 0.1,
    "erase": 0.3,
}
KINDS = [key for key in NOTHING if key not in ("drop", "fill")]


def augment(images: Tensor, draw: Callable[[int], Tensor], **transforms: Any) -> Tensor:
    return augment_by(images, draw, Transforms(**transforms))


def pictures(n: int = 5, channels: int = 2, height: int = 6, width: int = 8) -> Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0))


def forced(n: int, **at: float) -> Callable[[int], Tensor]:
    """The draws of the moves, each given in −1..1 of its range; the middle where it is not.

    Six for the affine transform, then one for an up-down flip or three for a crop.
    """
    calls = iter([["flip", "across", "down", "angle", "zoom", "shear"], ["side", "right", "lower"]])

    def draw(k: int) -> Tensor:
        places = next(calls)[:k]
        return torch.tensor([(at.get(place, 0.0) + 1) / 2 for place in places]).expand(n, k)

    return draw


def positions(height: int, width: int) -> Tensor:
    """An image whose two channels are each pixel's own x and y, from the centre: (1, 2, H, W)."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x - width / 2, y - height / 2])[None]


def test_nothing_moves_nothing():
    images = pictures()
    for fill in ("zeros", "border", "reflection"):
        assert torch.equal(augment(images, draws(0, 0, torch.arange(5)), **NOTHING | {"fill": fill}), images)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_alone_does_something_and_keeps_the_shape(kind):
    images = pictures()
    before = images.clone()
    found = augment(images, draws(0, 0, torch.arange(5)), **NOTHING | {kind: ALL[kind]})
    assert not torch.equal(found, images)
    assert (found.shape, found.dtype) == (images.shape, images.dtype)
    assert torch.equal(images, before)


FLIPS = [("flip", -1), ("flip_vertical", -2)]


@pytest.mark.parametrize(("kind", "side"), FLIPS)
def test_flip(kind, side):
    images = pictures()
    found = augment(images, draws(0, 0, torch.arange(5)), **NOTHING | {kind: 1.0})
    assert torch.equal(found, images.flip(side))


@pytest.mark.parametrize(("kind", "side"), FLIPS)
def test_flip_takes_its_share(kind, side):
    images = pictures(4000, 1, 2, 2)
    found = augment(images, draws(0, 0, torch.arange(4000)), **NOTHING | {kind: 0.3})
    flipped = (found == images.flip(side)).flatten(1).all(dim=1)
    assert (flipped | (found == images).flatten(1).all(dim=1)).all()
    assert flipped.float().mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / 4000))


def test_the_two_flips_are_drawn_apart():
    images = pictures(4000, 1, 2, 2)
    found = augment(images, draws(0, 0, torch.arange(4000)), **NOTHING | {"flip": 0.5, "flip_vertical": 0.5})
    for sides in ((), (-1,), (-2,), (-1, -2)):
        share = (found == images.flip(sides)).flatten(1).all(dim=1).float().mean()
        assert share == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 4000))


@pytest.mark.parametrize(("kind", "side", "moved"), [("flip", -1, "down"), ("flip_vertical", -2, "across")])
def test_flip_beside_other_moves(kind, side, moved):
    """In the affine matrix it is the same flip, of the image that the moves then move."""
    images = pictures()
    settings = NOTHING | {"shift": 0.25, "rotate": 20.0, "zoom": 0.2, "shear": 10.0}
    at = {moved: 0.7, "angle": 0.4, "zoom": -0.3, "shear": 0.6}
    both = augment(images, forced(5, **at), **settings | {kind: 1.0})
    torch.testing.assert_close(both, augment(images.flip(side), forced(5, **at), **settings), atol=1e-5, rtol=0)


def rolled(image: np.ndarray, right: int, down: int) -> np.ndarray:
    """A shift by whole pixels; zeros come in."""
    found = np.roll(image, (down, right), axis=(-2, -1))
    height, width = image.shape[-2:]
    rows, columns = np.arange(height) - down, np.arange(width) - right
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    return found * inside


@pytest.mark.parametrize(("right", "down"), [(0, 0), (1, 0), (0, 1), (3, -2), (-4, 3), (-1, -3)])
def test_shift_by_whole_pixels(right, down):
    images = pictures()
    # A half of 6 × 8 pixels: 3 down, 4 across. The draws move what is looked at, so the image goes the other way.
    draw = forced(5, across=-right / 4, down=-down / 3)
    found = augment(images, draw, **NOTHING | {"shift": 0.5})
    np.testing.assert_allclose(found.numpy(), rolled(images.numpy(), right, down), atol=1e-5)


@pytest.mark.parametrize(("angle", "turns"), [(1.0, 1), (-1.0, -1)])
def test_rotation_by_90_degrees(angle, turns):
    images = pictures(5, 2, 8, 8)
    found = augment(images, forced(5, angle=angle), **NOTHING | {"rotate": 90.0})
    torch.testing.assert_close(found, torch.rot90(images, turns, (-2, -1)), atol=1e-5, rtol=0)


def test_rotation_of_an_oblong_image_is_by_true_angles():
    images = pictures(5, 2, 4, 8)
    found = augment(images, forced(5, angle=1.0), **NOTHING | {"rotate": 90.0})
    expected = torch.zeros_like(images)
    expected[..., 2:6] = torch.rot90(images[..., 2:6], 1, (-2, -1))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_rotation_by_180_degrees():
    images = pictures()
    found = augment(images, forced(5, angle=-1.0), **NOTHING | {"rotate": 180.0})
    torch.testing.assert_close(found, images.flip(-1, -2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(8, 8), (12, 20), (21, 9)])
@pytest.mark.parametrize("angle", [-1.0, 0.0, 0.4])
@pytest.mark.parametrize("zoom", [-1.0, 0.0, 0.6])
@pytest.mark.parametrize("shear", [-0.5, 0.0, 1.0])
def test_where_each_pixel_comes_from(size, angle, zoom, shear):
    """On an image of positions, the result says what was looked at: worked out here in pixels."""
    places = positions(*size)
    draw = forced(1, angle=angle, zoom=zoom, shear=shear)
    found = augment(places, draw, **NOTHING | {"rotate": 40.0, "zoom": 0.5, "shear": 25.0})[0]
    turn, slant = math.radians(40 * angle), math.tan(math.radians(25 * shear))
    rotation = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = rotation @ torch.tensor([[1.0, slant], [0.0, 1.0]]) / (1 + 0.5 * zoom)
    expected = torch.einsum("ij,jhw->ihw", matrix, places[0])
    # Bilinear sampling gives positions exactly, as long as all four neighbours lie inside.
    reach = torch.tensor([size[1], size[0]])[:, None, None] / 2 - 0.5
    inside = (expected.abs() <= reach).all(dim=0)
    assert inside.sum() >= 8
    torch.testing.assert_close(found[:, inside], expected[:, inside], atol=1e-4, rtol=0)


def test_zoom_out_to_a_half():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 2:6, 2:6] = 1
    found = augment(image, forced(1, zoom=-1.0), **NOTHING | {"zoom": 0.5})
    assert found.sum() == pytest.approx(2 * 2, abs=1e-4)
    assert found[0, 0, 3:5, 3:5].min() == pytest.approx(1)


@pytest.mark.parametrize(("right", "lower"), [(0, 0), (-1, -1), (1, 1), (0.5, -0.25)])
@pytest.mark.parametrize("side", [-1.0, 0.0, 1.0])
def test_crop_looks_at_a_window(side, right, lower):
    """On an image of positions: sides of 1 to 1 − crop, between the outermost pixels' centres; no gap is seen."""
    places = positions(12, 20)
    found = augment(places, forced(1, side=side, right=right, lower=lower), **NOTHING | {"crop": 0.6})
    share = 1 - 0.6 * (side + 1) / 2
    free = torch.tensor([(20 - 1) / 2, (12 - 1) / 2]) * (1 - share)
    expected = places * share + (free * torch.tensor([right, lower]))[:, None, None]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_crop_comes_after_the_other_moves():
    """A shift of a quarter, then the middle half enlarged, is a shift of a half."""
    images = pictures(5, 2, 8, 8)
    found = augment(images, forced(5, across=-1.0, side=1.0), **NOTHING | {"shift": 0.25, "crop": 0.5})
    moved = augment(images, forced(5, across=-1.0), **NOTHING | {"shift": 0.25})
    torch.testing.assert_close(found, augment(moved, forced(5, side=1.0), **NOTHING | {"crop": 0.5}))
    assert found[..., :2].abs().max() > 0


@pytest.mark.parametrize("fill", ["zeros", "border", "reflection"])
def test_what_stands_in_a_gap(fill):
    images = pictures()
    found = augment(images, forced(5, across=1.0), **NOTHING | {"shift": 0.5, "fill": fill})
    gap = {
        "zeros": torch.zeros_like(images[..., 4:]),
        "border": images[..., -1:].expand(-1, -1, -1, 4),
        "reflection": images[..., 4:].flip(-1),
    }
    torch.testing.assert_close(found, torch.cat([images[..., 4:], gap[fill]], dim=-1), atol=1e-5, rtol=0)


def test_brightness():
    images = pictures(3)
    found = augment(images, lambda k: torch.tensor([[0.0], [0.5], [1.0]]), **NOTHING | {"brightness": 0.4})
    torch.testing.assert_close(found, images * torch.tensor([0.6, 1.0, 1.4])[:, None, None, None])


def test_gamma_keeps_black_and_white():
    images = torch.tensor([-1e-9, 0.0, 0.25, 1.0]).expand(3, 1, 1, 4)
    found = augment(images, lambda k: FACTORS, **NOTHING | {"gamma": math.log(2)})
    expected = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.25, 1.0], [0.0, 0.0, 0.0625, 1.0]])
    torch.testing.assert_close(found[:, 0, 0], expected)


FACTORS = torch.tensor([[0.0], [0.5], [1.0]])
LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_contrast_is_around_the_mean_grey(channels):
    images = pictures(3, channels)
    found = augment(images, lambda k: FACTORS, **NOTHING | {"contrast": 0.4})
    grey = (images * LUMA).sum(1) if channels == 3 else images.mean(1)
    middle = grey.mean((-2, -1))[:, None, None, None]
    expected = middle + torch.tensor([0.6, 1.0, 1.4])[:, None, None, None] * (images - middle)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colour_is_between_grey_and_the_image(channels):
    images = pictures(3, channels)
    found = augment(images, lambda k: FACTORS, **NOTHING | {"colour": 1.0})
    grey = (images * LUMA).sum(1, keepdim=True) if channels == 3 else images.mean(1, keepdim=True)
    expected = torch.stack([grey[0].expand(channels, -1, -1), images[1], 2 * images[2] - grey[2]])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_leaves_a_grey_image_alone(channels):
    images = pictures(50, 1).expand(-1, channels, -1, -1)
    found = augment(images, draws(0, 0, torch.arange(50)), **NOTHING | {"colour": 1.0})
    torch.testing.assert_close(found, images, atol=1e-6, rtol=0)


def test_noise_is_normal_and_apart_for_every_pixel():
    images = torch.zeros(200, 3, 16, 16)
    noise = augment(images, draws(0, 0, torch.arange(200)), **NOTHING | {"noise": 0.25}) / 0.25
    n = noise.numel()
    assert noise.mean().item() == pytest.approx(0, abs=5 / math.sqrt(n))
    assert noise.std().item() == pytest.approx(1, abs=5 / math.sqrt(2 * n))
    assert (noise.abs() > 1.959964).float().mean().item() == pytest.approx(0.05, abs=5 * math.sqrt(0.05 * 0.95 / n))
    rows = noise.flatten(1)
    assert torch.corrcoef(rows)[~torch.eye(200, dtype=bool)].abs().max() < 6 / math.sqrt(rows.shape[1])
    assert torch.corrcoef(rows.T[:200])[~torch.eye(200, dtype=bool)].abs().max() < 6 / math.sqrt(200)


@pytest.mark.parametrize(
    ("centre", "rows", "columns"),
    [
        ((0.5, 0.5), (3, 7), (6, 14)),
        ((0.3, 0.75), (1, 5), (11, 19)),
        ((0.0, 0.0), (0, 2), (0, 4)),
        ((0.999, 0.999), (8, 10), (16, 20)),
    ],
)
def test_erase(centre, rows, columns):
    """Four tenths of 10 × 20 pixels are 4 × 8, as far as they lie inside."""
    images = pictures(1, 2, 10, 20) + 1
    found = augment(images, lambda k: torch.tensor([centre]), **NOTHING | {"erase": 0.4})
    gone = torch.zeros(10, 20, dtype=bool)
    gone[slice(*rows), slice(*columns)] = True
    assert torch.equal(found == 0, gone.expand(1, 2, 10, 20))
    assert torch.equal(found[..., ~gone], images[..., ~gone])


def test_examples_of_one_batch_draw_apart():
    images = pictures(1).expand(50, -1, -1, -1)
    for kind in KINDS:
        found = augment(images, draws(0, 0, torch.arange(50)), **NOTHING | {kind: ALL[kind]})
        different = len(torch.unique(found.flatten(1), dim=0))
        # A shift of 0.2 is by up to 1 whole pixel down and 2 across: 15 places.
        assert different == 2 if kind.startswith("flip") else different > (8 if kind == "shift" else 25), kind


def test_a_shift_alone_leaves_pixels_as_they_are():
    images = pictures(1, 1, 6, 8).expand(40, -1, -1, -1) + 1
    found = augment(images, draws(0, 0, torch.arange(40)), **NOTHING | {"shift": 0.3})
    values = set(images[0].flatten().tolist()) | {0.0}
    assert all(min(abs(value - known) for known in values) < 1e-5 for value in found.unique().tolist())
    mixed = augment(images, draws(0, 0, torch.arange(40)), **NOTHING | {"shift": 0.3, "rotate": 1e-6})
    assert not all(min(abs(value - known) for known in values) < 1e-5 for value in mixed.unique().tolist())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_neither_order_nor_size_of_batches_matters(layout):
    """Bit for bit."""
    images = pictures(64, 3, 9, 11).contiguous(memory_format=layout)
    ids = torch.arange(64) * 7 + 3
    whole = augment(images, draws(1, 2, ids), **ALL)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    for size in (1, 5, 64):
        for rows in order.split(size):
            assert torch.equal(augment(images[rows], draws(1, 2, ids[rows]), **ALL), whole[rows])


def test_what_is_off_takes_no_draws():
    """So what was trained before a transform existed trains the same: worked out here from the draws' order."""
    images, ids = pictures(20, 3), torch.arange(20)
    found = augment(images, draws(1, 2, ids), **NOTHING | {"shear": 10.0, "brightness": 0.3, "erase": 0.3})
    u = draws(1, 2, ids)(6 + 1 + 2)

    def given(first: int) -> Callable[[int], Tensor]:
        return lambda k: u[:, first : first + k]

    expected = augment(images, given(0), **NOTHING | {"shear": 10.0})
    expected = expected * (1 + 0.3 * (2 * u[:, 6] - 1))[:, None, None, None]
    assert torch.equal(found, augment(expected, given(7), **NOTHING | {"erase": 0.3}))


@pytest.mark.parametrize("fill", ["zeros", "border", "reflection"])
def test_double_stays_double(fill):
    images = pictures().double()
    found = augment(images, draws(0, 0, torch.arange(5)), **ALL | {"fill": fill})
    assert found.dtype == torch.float64
    single = augment(images.float(), draws(0, 0, torch.arange(5)), **ALL | {"fill": fill})
    torch.testing.assert_close(found.float(), single, atol=1e-4, rtol=0)


def test_dropped_entries_have_the_neutral_value_of_their_feature() -> None:
    rows, neutral = torch.arange(1.0, 4001).reshape(1000, 4), torch.tensor([-1.0, -2.0, -3.0, -4.0])
    found = drop_entries(rows, draws(1, 2, torch.arange(1000)), 0.3, neutral)
    dropped = found != rows
    assert torch.equal(found[dropped], neutral.expand(1000, 4)[dropped])
    assert dropped.float().mean(0).tolist() == pytest.approx([0.3] * 4, abs=0.05)
    alone = drop_entries(rows[500:], draws(1, 2, torch.arange(500, 1000)), 0.3, neutral)
    assert torch.equal(found[500:], alone)
    assert drop_entries(rows, draws(1, 2, torch.arange(1000)), 0.0, neutral) is rows


def test_copies_of_images_cannot_drop_entries() -> None:
    with pytest.raises(ValueError, match=r"transforms\.drop: changes rows of a table"):
        Augment(copies=1, seed=0, transforms=Transforms(**NOTHING | {"shift": 0.1, "drop": 0.3}))
