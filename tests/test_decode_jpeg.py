"""Plain JPEGs by simplejpeg: the same pixels as by Pillow, or None."""

import io
import math
import zlib

import numpy as np
import pytest
from PIL import Image

from pictures import LARGE, encoded
from sprout.data.prepare.decode import decode_plain_jpeg
from sprout.data.prepare.fault import without_pillow_limits

RNG = np.random.default_rng(0)
SMOOTH = Image.fromarray(RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)).resize((61, 43), Image.Resampling.BICUBIC)


def by_pillow(data: bytes) -> np.ndarray:
    with without_pillow_limits(), Image.open(io.BytesIO(data)) as image:
        levels = np.asarray(image)
    return levels[:, :, None] if levels.ndim == 2 else levels


def plain(data: bytes, max_pixels: int = 10**6, too_large: float = math.inf):
    return decode_plain_jpeg(data, max_pixels, too_large)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "how",
    [
        {"quality": 30},
        {"quality": 95, "subsampling": 0},
        {"quality": 100, "subsampling": 1},
        {"progressive": True},
        {"optimize": True},
        {"restart_marker_blocks": 2},
        {"comment": b"a remark"},
        {"icc_profile": b"a profile"},
        {"dpi": (300, 300)},
    ],
)
@pytest.mark.parametrize("picture", [LARGE, SMOOTH, SMOOTH.crop((0, 0, 1, 1)), SMOOTH.crop((3, 3, 20, 4))])
def test_plain_files_have_the_pixels_that_pillow_gives(picture, how, mode):
    data = encoded(picture.convert(mode), "JPEG", **how)
    np.testing.assert_array_equal(plain(data), by_pillow(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"no picture",
        encoded(LARGE, "PNG"),
        encoded(LARGE.convert("CMYK"), "JPEG"),
        encoded(LARGE, "JPEG", keep_rgb=True),
        encoded(LARGE, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        encoded(LARGE, "JPEG", xmp=b"<x:xmpmeta/>"),
        encoded(LARGE, "JPEG")[:-100],
        encoded(LARGE, "JPEG")[:-1],
    ],
    ids=["empty", "a beginning", "text", "PNG", "CMYK", "RGB", "EXIF", "XMP", "cut", "cut by a byte"],
)
def test_other_files_are_left_to_pillow(data):
    assert plain(data) is None


def test_large_ones_are_left_to_pillow():
    data = encoded(SMOOTH, "JPEG")
    assert plain(data, max_pixels=61 * 43 - 1) is None
    assert plain(data, max_pixels=61 * 43) is not None
    assert plain(data, too_large=43) is None
    assert plain(data, too_large=44) is not None


@pytest.mark.parametrize("name", ["JPEG", "progressive", "grey", "smooth"])
def test_damaged_files_are_left_to_pillow_or_give_the_same(name):
    data = {
        "JPEG": encoded(LARGE, "JPEG"),
        "progressive": encoded(LARGE, "JPEG", progressive=True),
        "grey": encoded(LARGE.convert("L"), "JPEG"),
        "smooth": encoded(SMOOTH, "JPEG", quality=20),
    }[name]
    generator, given = np.random.default_rng(zlib.crc32(name.encode())), 0
    for _ in range(2000):
        changed = bytearray(data)
        for _ in range(int(generator.integers(1, 4))):
            changed[int(generator.integers(len(data)))] = int(generator.integers(256))
        found = plain(bytes(changed))
        if found is not None:
            given += 1
            np.testing.assert_array_equal(found, by_pillow(bytes(changed)))
    assert given > 100
