"""Images that several tests encode and decode."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import without_pillow_limits
from sprout.data.prepare.image_file import decode_file

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
DEEP = (np.arange(35, dtype=np.uint16).reshape(5, 7) * 1900 + 17).astype(np.uint16)
LARGE = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
HOW = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}


def encoded(image: Image.Image, kind: str, **how) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **HOW.get(kind, {}) | how)
    return file.getvalue()


def decoded(data: bytes, size=None, channels=None, resize="none", max_pixels=10**6):
    """Decode bytes from a file without a suffix."""
    with TemporaryDirectory() as folder:
        Path(folder, "picture").write_bytes(data)
        with without_pillow_limits():
            return decode_file(folder, "picture", ImageFormat(size, channels, resize, max_pixels))


def luma(colour):
    """ITU-R 601, as Pillow rounds it."""
    return np.asarray(Image.fromarray(colour).convert("L"))[:, :, None]
