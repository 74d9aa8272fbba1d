"""Open an image file of any known format, at one of its pages. Imports only Pillow, and pillow-heif for a HEIC."""

from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from sprout.data.prepare.fault import FORMATS, Fault
from sprout.data.prepare.pixels import Array, Levels

# Pillow reads these formats only once their modules are imported.
_ = AvifImagePlugin, TiffImagePlugin, WebPImagePlugin

HEIF_STARTS = {b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")}
"""Bytes 4 to 11 of images of Apple's phones."""


@dataclass
class Raw:
    """What a decoded image no longer shows."""

    levels: Levels | None = None
    """The least and the largest level of more than 8 bits; None where there are 8."""
    pages: int = 1
    """Pages of a TIFF, or frames of an animation."""
    pixels: Array | None = field(default=None, compare=False, repr=False)
    """The pixels of more than 8 bits, any shape."""


def open_image(file: BinaryIO) -> Image.Image:
    """Open an image file; its pixels are not decoded yet.

    Raises:
        Fault: it is a HEIC, and pillow-heif is not installed.
        UnidentifiedImageError: it is in no known format.
    """
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        if file.read(12)[4:] not in HEIF_STARTS:
            raise
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise Fault(
            "a HEIC image; `pip install pillow-heif` lets it be read (the extra `heif`), or convert it to JPEG"
        ) from None
    register_heif_opener()
    return Image.open(file, formats=("HEIF",))


def turn_to(image: Image.Image, page: int, raw: Raw | None) -> None:
    """Select a page of a TIFF or a frame of an animation, and count them.

    Raises:
        Fault: there is no such page.
    """
    # The further pictures of a photograph (MPO) are previews and the like.
    pages = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    if raw is not None:
        raw.pages = pages
    if page >= pages:
        raise Fault(f"{pages} page{'s' if pages > 1 else ''} or frames, so none {page} (prepare.page, from 0)")
    if page:
        image.seek(page)
