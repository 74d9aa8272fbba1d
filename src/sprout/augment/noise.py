"""The noise that a network learns to remove: the same for whoever measures against it."""

from torch import Tensor

from sprout.augment.draws import Draw, normal

OUTSIDE = -1
"""The epoch whose noise images get that are measured, not trained on: always the same."""


def noisy(images: Tensor, draw: Draw, std: float) -> Tensor:
    """Images with Gaussian noise on every pixel, cut to what a pixel can be.

    Args:
        images: (N, C, H, W) float, 0..1.
        draw: see `draws`; outside of training that of epoch −1 and the examples' rows.
        std: standard deviation of the noise.
    """
    return (images + std * normal(draw, images.shape).to(images)).clamp(0, 1)
