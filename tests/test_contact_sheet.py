"""Contact sheets: position and size of every image."""

import numpy as np
import pytest
from PIL import Image

from sprout.data.contact_sheet import GAP, LINE, SIDE, draw_sheet, write_sheet


def flat(value: int, height: int = 8, width: int = 8, channels: int = 1) -> np.ndarray:
    return np.full((height, width, channels), value, np.uint8)


def test_images_stand_in_rows():
    images = [flat(value) for value in range(0, 70, 10)]
    shown = np.asarray(draw_sheet(images, 3))
    assert shown.shape == (3 * (SIDE + GAP) + GAP, 3 * (SIDE + GAP) + GAP, 3)
    for place in range(9):
        left, top = GAP + place % 3 * (SIDE + GAP), GAP + place // 3 * (SIDE + GAP)
        expected = 10 * place if place < 7 else 255
        assert (shown[top : top + SIDE, left : left + SIDE] == expected).all()
    assert (shown[:GAP] == 255).all()
    assert (shown[:, SIDE + GAP : SIDE + 2 * GAP] == 255).all()


def test_one_row_is_as_wide_as_its_images():
    assert draw_sheet([flat(0), flat(1)], 8).size == (2 * (SIDE + GAP) + GAP, SIDE + 2 * GAP)


def test_a_small_image_is_enlarged_by_a_whole_number_with_sharp_pixels():
    image = np.random.default_rng(0).integers(0, 256, (28, 20, 3), dtype=np.uint8)
    shown = np.asarray(draw_sheet([image], 1))[GAP:-GAP, GAP:-GAP]
    np.testing.assert_array_equal(shown, image.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((200, 100), (96, 48)), ((97, 97), (96, 96)), ((96, 50), (96, 50)), ((1, 5000), (1, 96)), ((1, 1), (96, 96))],
)
def test_the_longer_side_has_about_the_same_length(size, expected):
    shown = np.asarray(draw_sheet([flat(0, *size)], 1))[GAP:-GAP, GAP:-GAP]
    assert shown.shape[:2] == expected
    assert (shown == 0).all()


@pytest.mark.parametrize(
    ("channels", "expected"), [(1, (10, 10, 10)), (2, (10, 10, 10)), (3, (10, 20, 30)), (4, (10, 20, 30))]
)
def test_channels(channels, expected):
    image = np.broadcast_to(np.arange(10, 10 * (channels + 1), 10, dtype=np.uint8), (8, 8, channels))
    assert draw_sheet([image], 1).getpixel((GAP + 1, GAP + 1)) == expected


def test_images_of_many_sizes_stand_in_the_middle_of_their_places():
    shown = np.asarray(draw_sheet([flat(0, 96, 96), flat(0, 96, 48)], 2))
    dark = (shown == 0).all(axis=2)[GAP + SIDE // 2]
    columns = np.flatnonzero(dark[SIDE + 2 * GAP :])
    assert (columns[0], columns[-1]) == (24, 71)


def below(captions: list[str], size: int = 8) -> list[np.ndarray]:
    """The pixels of the caption line below each of these white images, True where they are dark."""
    shown = np.asarray(draw_sheet([flat(255, size, size)] * len(captions), 1, captions).convert("L")) < 128
    step = shown.shape[0] // len(captions)
    return [shown[place * step : (place + 1) * step] for place in range(len(captions))]


def test_captions():
    none, short, long = below(["", "dog", "Bernese mountain dog of the Alps"])
    assert none.sum() == 0
    assert 0 < short.sum() < long.sum()
    assert not long[:SIDE].any()
    assert not long[:, : GAP - 1].any()
    assert not long[:, -GAP + 1 :].any()
    assert len(none) - LINE - SIDE <= 2 * GAP


@pytest.mark.parametrize("name", ["a\nb", "\udcff", "\t", "é – 猫 🐈", "x" * 5000])
def test_any_name_can_be_a_caption(name):
    assert len(below([name])) == 1


def test_the_same_images_give_the_same_file(tmp_path):
    images = [np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8) for seed in range(5)]
    for name in "ab":
        write_sheet(tmp_path / name, images, 2, list("vwxyz"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with Image.open(tmp_path / "a") as found:
        assert (found.format, found.size) == ("PNG", draw_sheet(images, 2, list("vwxyz")).size)


def test_a_title_stands_above_all() -> None:
    images = [np.full((16, 16, 1), 128, np.uint8)] * 4
    plain, titled = np.asarray(draw_sheet(images, 2)), np.asarray(draw_sheet(images, 2, title="ankle boot"))
    line = len(titled) - len(plain)
    assert line > 10
    np.testing.assert_array_equal(titled[line + 4 :], plain[4:])
    assert titled[: line + 4].min() < 100
