"""Every pixel format, from real files, converted to 8 bits, grey or colour."""

import struct

import numpy as np
import pytest
from PIL import Image

from pictures import COLOUR, DEEP, GREY, decoded, encoded, luma
from sprout.data.prepare.fault import Fault
from sprout.data.prepare.pixels import to_grey_or_rgb

LOSSLESS = ["PNG", "TIFF", "BMP", "PPM", "GIF", "WEBP"]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_grey_stays_as_it_is(kind):
    found = decoded(encoded(Image.fromarray(GREY), kind), channels=1)
    np.testing.assert_array_equal(found[:, :, 0], GREY)
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(GREY), kind), channels=3)[:, :, 2], GREY)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "WEBP"])
def test_colour_stays_as_it_is(kind):
    data = encoded(Image.fromarray(COLOUR), kind)
    np.testing.assert_array_equal(decoded(data), COLOUR)
    np.testing.assert_array_equal(decoded(data, channels=1), luma(COLOUR))


@pytest.mark.parametrize("case", ["AVIF L", "AVIF RGB", "JPEG L", "JPEG RGB", "JPEG CMYK", "JPEG YCbCr"])
def test_lossy_formats_are_near(case):
    kind, mode = case.split()
    how = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    smooth = Image.fromarray(COLOUR).resize((40, 32), Image.Resampling.BICUBIC).convert(mode)
    found = decoded(encoded(smooth, kind, **how), channels=3)
    assert np.abs(found.astype(int) - np.asarray(smooth.convert("RGB"), int)).mean() < 3


def test_channels_follow_the_image_where_none_are_requested():
    grey, colour = Image.fromarray(GREY), Image.fromarray(COLOUR)
    for image in (grey, grey.convert("1"), grey.convert("LA"), grey.convert("I;16")):
        assert decoded(encoded(image, "PNG")).shape == (5, 7, 1)
    for image in (colour, colour.convert("P"), colour.convert("RGBA")):
        assert decoded(encoded(image, "PNG")).shape == (5, 7, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
def test_one_bit_is_black_and_white(kind):
    image = Image.fromarray(GREY).point(lambda level: 255 * (level > 127)).convert("1")
    np.testing.assert_array_equal(decoded(encoded(image, kind), channels=1)[:, :, 0], 255 * (GREY > 127))


@pytest.mark.parametrize(("mode", "kind"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF"), ("I", "TIFF")])
def test_16_bits_are_scaled_not_clipped(mode, kind):
    image = Image.frombytes("I;16", (7, 5), DEEP.tobytes())
    image = Image.frombytes("I;16B", (7, 5), DEEP.astype(">u2").tobytes()) if mode == "I;16B" else image.convert(mode)
    expected = np.rint(DEEP / 257).astype(np.uint8)
    np.testing.assert_array_equal(decoded(encoded(image, kind))[:, :, 0], expected)
    assert expected.min() < 10
    assert expected.max() > 240


def test_16_bit_ppm():
    data = b"P5 7 5 65535\n" + DEEP.astype(">u2").tobytes()
    np.testing.assert_array_equal(decoded(data)[:, :, 0], np.rint(DEEP / 257))


def test_12_bits_of_a_tiff_are_scaled_by_their_own_white():
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 110), (277, 3, 1), (278, 3, 1)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in [*tags, (279, 4, 3)])
    head = b"II*\0" + struct.pack("<IH", 8, 9) + entries + bytes(4)
    assert len(head) <= 122
    data = head.replace(struct.pack("<HHII", 273, 4, 1, 110), struct.pack("<HHII", 273, 4, 1, len(head)))
    assert decoded(data + bytes([0xFF, 0xF8, 0x00])).ravel().tolist() == [255, 128]


def test_32_bit_integers_beyond_16_bits_are_a_fault():
    image = Image.fromarray(np.array([[-3, 70000]], np.int32))
    with pytest.raises(Fault, match=r"from -3 to 70000; accepted: 0 to 65535"):
        decoded(encoded(image, "TIFF"))


def test_floats_in_0_to_1():
    levels = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(levels), "TIFF"))[:, :, 0], np.rint(levels * 255))


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.nan, np.inf])
def test_other_floats_are_a_fault(wrong):
    with pytest.raises(Fault, match=r"pixels from .*; accepted: 0 to 1"):
        decoded(encoded(Image.fromarray(np.array([[0.5, wrong]], np.float32)), "TIFF"))


def test_transparency_is_laid_on_white():
    levels = np.zeros((1, 3, 4), np.uint8)
    levels[0] = [[200, 0, 100, 255], [200, 0, 100, 0], [200, 0, 100, 51]]
    image = Image.fromarray(levels)
    for kind in ("PNG", "TIFF", "WEBP"):
        found = decoded(encoded(image, kind, **({"exact": True} if kind == "WEBP" else {})))
        assert found.tolist() == [[[200, 0, 100], [255, 255, 255], [244, 204, 224]]]
    grey = Image.merge("LA", (image.getchannel("R"), image.getchannel("A")))
    assert decoded(encoded(grey, "PNG")).ravel().tolist() == [200, 255, 244]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_white(kind):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    data = encoded(image, kind, transparency=1)
    assert decoded(data).tolist() == [[[10, 20, 30], [255, 255, 255], [70, 80, 90]]]


def test_a_palette_with_degrees_of_transparency():
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 0, 0, 0])
    assert decoded(encoded(image, "PNG", transparency=b"\xff\x33")).tolist() == [[[10, 20, 30], [204, 204, 204]]]


@pytest.mark.parametrize(("mode", "see_through"), [("L", 7), ("RGB", (7, 7, 7)), ("1", 0), ("I;16", 7)])
def test_a_transparent_colour_is_white(mode, see_through):
    value = see_through if mode != "I;16" else 7
    image = Image.new(mode, (2, 1), 1 if mode == "1" else "white" if mode != "I;16" else 65535)
    image.putpixel((0, 0), value)
    assert decoded(encoded(image, "PNG", transparency=see_through), channels=1).ravel().tolist() == [255, 255]


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_colour_spaces_come_back(mode):
    data = encoded(Image.new("RGB", (2, 2), (200, 30, 60)).convert(mode), "TIFF")
    assert np.abs(decoded(data).astype(int) - [200, 30, 60]).max() <= 3


@pytest.mark.parametrize("mode", ["HSV", "PA", "La", "RGBa", "RGBX"])
def test_modes_that_no_file_of_these_tests_has(mode):
    image = Image.new("RGB", (2, 2), (200, 30, 60)) if mode != "La" else Image.new("L", (2, 2), 90)
    through = {"La": "LA", "RGBa": "RGBA", "PA": "P"}.get(mode)
    image = (image.convert(through) if through else image).convert(mode)
    found = to_grey_or_rgb(image)
    assert found.mode == ("L" if mode == "La" else "RGB")
    assert np.abs(np.asarray(found, int) - (90 if mode == "La" else [200, 30, 60])).max() <= 30
