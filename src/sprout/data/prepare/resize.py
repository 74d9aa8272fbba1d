"""How a picture of another size is brought to the one that is wanted. Imports only Pillow."""

from PIL import Image, ImageOps

FILTER = Image.Resampling.BILINEAR
"""Antialiased when it shrinks (Pillow widens the filter), as torchvision's `Resize`; no ringing at edges."""


def resized(image: Image.Image, size: tuple[int, int], policy: str) -> Image.Image:
    """Bring a picture to a size.

    Args:
        image: L or RGB, of another size.
        size: height and width.
        policy: fit shows the whole picture, centred on black; crop fills the frame and cuts what is over, the same on
            both sides; stretch gives up the proportions.
    """
    height, width = size
    if policy == "fit":
        return fitted(image, width, height)
    if policy == "crop":
        return ImageOps.fit(image, (width, height), FILTER)
    return image.resize((width, height), FILTER)


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """The whole picture, as large as it fits, centred on black; at least one pixel high and wide."""
    scale = min(width / image.width, height / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    frame = Image.new(image.mode, (width, height))
    frame.paste(image.resize(inner, FILTER), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return frame
