"""What is wrong with one image. Imports only Pillow.

Pillow raises exceptions of nearly every type for damaged files; `as_fault` turns each into a `Fault` with a reason.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from sprout.runtime.errors import one_line

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
"""The image formats that are read. Pillow opens an MPO as a JPEG."""


class Fault(Exception):  # noqa: N818 - the word of the reports
    """An example that cannot be used; the message is the reason, for the user."""


class SizeFault(Fault):
    """An image of another size, where none is resized."""


@contextmanager
def as_fault() -> Iterator[None]:
    """Raise every exception of the block as one `Fault`."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        raise Fault(reason(error)) from None


def reason(error: Exception) -> str:
    """Return what an exception of Pillow means, in one line."""
    if isinstance(error, UnidentifiedImageError):
        return f"not an image in a known format ({', '.join(FORMATS)}), or its header is damaged"
    if isinstance(error, OSError) and error.errno is not None:
        return f"not readable ({error.strerror})"
    if isinstance(error, MemoryError):
        return "needs more memory than is available"
    return f"damaged ({one_line(error)})"


@contextmanager
def without_pillow_limits() -> Iterator[None]:
    """Lift Pillow's own limit on pixels and drop its warnings while the block decodes images."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit
