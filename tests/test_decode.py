"""Decoding one image: first frame, orientation, resizing; and images in arrays."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pictures import COLOUR, DEEP, GREY, RNG, decoded, encoded, luma
from sprout.data.prepare.decode import ImageFormat, decode, decode_array
from sprout.data.prepare.fault import Fault
from sprout.data.prepare.open_image import Raw


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"])
def test_the_first_frame_of_several(kind):
    first, second = Image.new("RGB", (16, 16), (250, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 250))
    data = encoded(first, kind, save_all=True, append_images=[second])
    assert np.abs(decoded(data, channels=3).astype(int) - [250, 0, 0]).max() <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(kind, orientation):
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :16] = 240  # the upper left quarter
    rotations = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (1, 0), 7: (1, 1), 8: (3, 0)}
    turns, mirrored = rotations[orientation]
    stored = np.rot90(upright, turns)
    stored = stored[:, ::-1] if mirrored else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif)
    found = decoded(data, channels=1)[:, :, 0]
    assert found.shape == (16, 32)
    assert np.abs(found.astype(int) - upright).mean() < 2


def test_damaged_exif_is_ignored():
    data = encoded(Image.fromarray(COLOUR), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(decoded(data), COLOUR)


def test_an_image_of_the_right_size_is_not_resampled():
    for policy in ("fit", "crop", "stretch", "none"):
        np.testing.assert_array_equal(decoded(encoded(Image.fromarray(COLOUR), "PNG"), (5, 7), 3, policy), COLOUR)


HALVES = np.repeat(np.array([[[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0]]], np.uint8), 40, 0).repeat(20, 1)
"""Four stripes: 40 high, 80 wide."""


def test_fit_shows_all_on_black():
    found = decoded(encoded(Image.fromarray(HALVES), "PNG"), (20, 20), 3, "fit")
    assert not found[:5].any()
    assert not found[15:].any()
    for column, colour in zip((2, 7, 12, 17), HALVES[0, ::20], strict=True):
        assert (found[5:15, column] == colour).all()


def test_crop_cuts_both_sides_equally():
    found = decoded(encoded(Image.fromarray(HALVES), "PNG"), (20, 20), 3, "crop")
    assert (found[:, 1:9] == [0, 250, 0]).all()
    assert (found[:, 11:19] == [0, 0, 250]).all()


def test_stretch_shows_all():
    found = decoded(encoded(Image.fromarray(HALVES), "PNG"), (20, 20), 3, "stretch")
    assert [tuple(found[row, column]) for row, column in ((0, 2), (19, 7), (0, 12), (19, 17))] == [
        tuple(colour) for colour in HALVES[0, ::20]
    ]


def test_none_refuses_another_size_and_names_both():
    with pytest.raises(Fault, match=r"7×5 pixels, not 8×9; resize=none, not fit, crop or stretch"):
        decoded(encoded(Image.fromarray(COLOUR), "PNG"), (9, 8), 3, "none")


@pytest.mark.parametrize("policy", ["fit", "crop", "stretch"])
def test_shrinking_is_antialiased(policy):
    chequered = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    found = decoded(encoded(Image.fromarray(chequered), "PNG"), (16, 16), 1, policy)
    assert np.abs(found[2:-2, 2:-2].astype(int) - 127).max() <= 2


@pytest.mark.parametrize("policy", ["fit", "crop", "stretch"])
@pytest.mark.parametrize("shape", [(1, 999), (999, 1), (3, 5), (32, 33)])
def test_extreme_shapes_get_the_size_too(policy, shape):
    data = encoded(Image.fromarray(np.full(shape, 200, np.uint8)), "PNG")
    found = decoded(data, (16, 16), 1, policy)
    assert found.shape == (16, 16, 1)
    assert found.max() == 200


@pytest.mark.parametrize("policy", ["fit", "crop", "stretch"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_the_same_as_a_large_png(policy, orientation):
    """It is decoded at a smaller scale, without a visible difference."""
    picture = Image.fromarray(RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize((1600, 1200))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found, expected = (
        decoded(encoded(picture, kind, exif=exif, **how), (32, 48), 3, policy, 10**7).astype(int)
        for kind, how in (("JPEG", {"quality": 95, "subsampling": 0}), ("PNG", {"compress_level": 0}))
    )
    assert np.abs(found - expected).mean() < 1.5


def array(example, size=None, channels=None, resize="none"):
    return decode_array(example, ImageFormat(size, channels, resize, max_pixels=10**6))


@pytest.mark.parametrize("example", [GREY, GREY[:, :, None], COLOUR, RNG.integers(0, 256, (5, 7, 6), dtype=np.uint8)])
def test_arrays_pass_unchanged(example):
    np.testing.assert_array_equal(array(example), example.reshape(5, 7, -1))
    np.testing.assert_array_equal(array(example, (5, 7), example.reshape(5, 7, -1).shape[2]), example.reshape(5, 7, -1))


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_arrays_of_16_bits_and_floats_are_scaled(order):
    np.testing.assert_array_equal(array(DEEP.astype(order))[:, :, 0], np.rint(DEEP / 257))
    for kind in (np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(array((COLOUR / 255).astype(kind)), COLOUR)


@pytest.mark.parametrize(
    ("example", "levels", "expected"),
    [
        (np.array([[1000, 1255, 2275, 0, 9000]], np.uint16), (1000, 2275), [0, 51, 255, 0, 255]),
        (np.array([[-1024, 3071]], np.int16), (-1024, 3071), [0, 255]),
        (np.array([[0.0, 17.0, 255.0]], np.float32), (0, 255), [0, 17, 255]),
        (np.array([[-1.0, 0.0, 1.0]]), (-1, 1), [0, 128, 255]),
        (np.array([[0, 17, 255]], np.uint8), (0, 9), [0, 17, 255]),
    ],
)
def test_levels_scale_what_has_more_than_8_bits(example, levels, expected):
    assert decode_array(example, ImageFormat(None, None, "none", 10**6, levels))[0, :, 0].tolist() == expected


def test_levels_scale_files_of_any_range():
    deep, signed = np.array([[100, 355]], np.uint16), np.array([[-1024, 0, 3071]], np.int32)
    target = ImageFormat(None, None, "none", 10**6, (100, 355))
    assert decode(io.BytesIO(encoded(Image.fromarray(deep), "PNG")), target).ravel().tolist() == [0, 255]
    target = replace(target, levels=(-1024, 3071))
    assert decode(io.BytesIO(encoded(Image.fromarray(signed), "TIFF")), target).ravel().tolist() == [0, 64, 255]
    with pytest.raises(Fault, match="not a finite number"):
        decode(io.BytesIO(encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF")), target)


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG"])
def test_pages(kind):
    pages = [Image.fromarray(np.full((3, 4), 9 * page, np.uint8)) for page in range(3)]
    data = encoded(pages[0], kind, save_all=True, append_images=pages[1:])
    for page in range(3):
        raw = Raw()
        target = ImageFormat(None, 1, "none", 10**6, page=page)
        assert (decode(io.BytesIO(data), target, raw) == 9 * page).all()
        assert raw == Raw(None, 3)
    with pytest.raises(Fault, match=r"3 pages or frames, so none 3 \(prepare.page, from 0\)"):
        decode(io.BytesIO(data), replace(target, page=3))
    with pytest.raises(Fault, match="1 page or frames, so none 1"):
        decode(io.BytesIO(encoded(pages[0], "JPEG")), replace(target, page=1))


def test_the_range_of_a_file_is_told():
    raw, data = Raw(), encoded(Image.fromarray(np.array([[7, 4095]], np.uint16)), "PNG")
    decode(io.BytesIO(data), ImageFormat(None, None, "none", 99), raw)
    assert raw == Raw((7, 4095), 1)


def test_arrays_change_channels_and_size():
    np.testing.assert_array_equal(array(COLOUR, channels=1), luma(COLOUR))
    np.testing.assert_array_equal(array(GREY, channels=3)[:, :, 1], GREY)
    see_through = np.dstack([COLOUR, np.zeros((5, 7), np.uint8)])
    assert (array(see_through) == 255).all()
    assert array(COLOUR, (9, 4), 1, "crop").shape == (9, 4, 1)


@pytest.mark.parametrize(
    ("example", "how", "reason"),
    [
        (np.full((2, 2), 1.5), {}, "from 1.5 to 1.5; accepted: 0 to 1"),
        (np.full((2, 2), np.nan), {}, "accepted: 0 to 1"),
        (np.zeros((2, 2), np.int64), {}, "type int64; accepted: uint8, uint16, float"),
        (np.zeros((2, 2, 5), np.uint8), {"channels": 3}, "5 channels"),
        (np.zeros((2, 2, 5), np.uint8), {"size": (4, 4), "resize": "fit"}, "5 channels"),
        (np.zeros((2, 2), np.uint8), {"size": (4, 4)}, "2×2 pixels, not 4×4"),
    ],
)
def test_faults_of_arrays(example, how, reason):
    with pytest.raises(Fault, match=reason):
        array(example, **how)
