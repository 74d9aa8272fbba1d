"""Augmentation: pure functions on a batch, with an own random draw for every example.

Draws are a function of (seed, epoch, example), not of a generator's state: resuming, the number of
processes and the order of batches then change nothing.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Draw = Callable[[int], Tensor]
"""`draw(k)`: k uniform numbers in [0, 1) for each example, (N, k); each call gives new ones."""

_MASK = (1 << 64) - 1


def draws(seed: int, epoch: int, ids: Tensor) -> Draw:
    """The source of random numbers for these examples in this epoch.

    Each number is a hash of (seed, epoch, example, which number): splitmix64 (Steele, Lea and Flood,
    "Fast splittable pseudorandom number generators", 2014), in whole numbers, so the same on every device.

    Args:
        seed: of the training or of the stage.
        epoch: 0 or more.
        ids: (N,) int64, which example each one is.
    """
    key = mix(mix(torch.tensor(seed)) + epoch)
    state = mix(key.to(ids.device) + ids)
    used = 0

    def draw(k: int) -> Tensor:
        nonlocal used
        numbers = torch.arange(used, used + k, device=ids.device)
        used += k
        bits = mix(state[:, None] + numbers * signed(0x9E3779B97F4A7C15))
        # 24 bits fit a float32 exactly.
        return shift_right(bits, 40).to(torch.float32) / (1 << 24)

    return draw


def mix(x: Tensor) -> Tensor:
    """splitmix64's finalizer on int64, whose products wrap as the original's do."""
    x = x + signed(0x9E3779B97F4A7C15)
    x = (x ^ shift_right(x, 30)) * signed(0xBF58476D1CE4E5B9)
    x = (x ^ shift_right(x, 27)) * signed(0x94D049BB133111EB)
    return x ^ shift_right(x, 31)


def shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift; torch's own keeps the sign."""
    return (x >> bits) & (_MASK >> bits)


def signed(value: int) -> int:
    """The same 64 bits as a signed number."""
    return value - (1 << 64) if value >= 1 << 63 else value


def augment(
    images: Tensor,
    draw: Draw,
    *,
    flip: float,
    shift: float,
    rotate: float,
    zoom: float,
    shear: float,
    brightness: float,
    noise: float,
    erase: float,
    fill: str,
) -> Tensor:
    """Transform every image by its own draws.

    Args:
        images: (N, C, H, W) float, 0..1.
        draw: see `draws`.
        flip: probability of a left-right flip.
        shift: largest shift along each axis, as a share of the side.
        rotate: largest rotation, degrees.
        zoom: largest change of scale.
        shear: largest horizontal shear, degrees.
        brightness: largest change of brightness, a factor from 1 ± this.
        noise: standard deviation of Gaussian noise.
        erase: side of an erased square as a share of the image's side.
        fill: what stands in a gap: zeros, border or reflection.

    Returns:
        (N, C, H, W), values may leave 0..1 by noise and brightness.
    """
    if shift or rotate or zoom or shear:
        matrices = affine(draw(6), images.shape[-2:], flip, shift, rotate, zoom, shear)
        images = resample(images, matrices.to(images), fill)
    elif flip:
        images = torch.where((draw(1) < flip)[..., None, None], images.flip(-1), images)
    if brightness:
        images = images * (1 + brightness * centred(draw(1)))[..., None, None].to(images)
    if noise:
        images = images + noise * normal(draw, images.shape).to(images)
    if erase:
        images = images * ~squares(draw(2), images.shape[-2:], erase)
    return images


def affine(
    u: Tensor, size: tuple[int, int] | torch.Size, flip: float, shift: float, rotate: float, zoom: float, shear: float
) -> Tensor:
    """One matrix per example that takes output positions to input positions: (N, 6) → (N, 2, 3).

    Coordinates are those of `affine_grid`: −1..1 over the image. Angles are meant in pixels, hence the
    side ratio beside each sine.
    """
    mirrored = torch.where(u[:, 0] < flip, -1.0, 1.0)
    across, down = 2 * shift * centred(u[:, 1]), 2 * shift * centred(u[:, 2])
    angle = math.radians(rotate) * centred(u[:, 3])
    scale = 1 / (1 + zoom * centred(u[:, 4]))
    slant = torch.tan(math.radians(shear) * centred(u[:, 5]))
    cos, sin, ratio = torch.cos(angle), torch.sin(angle), size[0] / size[1]
    top = torch.stack([cos * scale * mirrored, (slant * cos - sin) * scale * mirrored * ratio, across], dim=1)
    bottom = torch.stack([sin * scale / ratio, (slant * sin + cos) * scale, down], dim=1)
    return torch.stack([top, bottom], dim=1)


def resample(images: Tensor, matrices: Tensor, fill: str) -> Tensor:
    """One bilinear resampling: (N, C, H, W), (N, 2, 3) → (N, C, H, W)."""
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode=fill, align_corners=False)


def squares(u: Tensor, size: tuple[int, int] | torch.Size, share: float) -> Tensor:
    """Where each example's erased square lies: (N, 2) → (N, 1, H, W) bool.

    Cutout (DeVries and Taylor, 2017): its centre lies anywhere, so part of it may lie outside.
    """
    height, width = size
    rows = torch.arange(height, device=u.device) + 0.5
    columns = torch.arange(width, device=u.device) + 0.5
    near_row = (rows - u[:, :1] * height).abs() < share * height / 2
    near_column = (columns - u[:, 1:] * width).abs() < share * width / 2
    return (near_row[:, :, None] & near_column[:, None, :])[:, None]


def normal(draw: Draw, shape: torch.Size) -> Tensor:
    """Standard normal numbers for a batch of this shape (Box and Muller, 1958)."""
    each = math.prod(shape[1:])
    u = draw(2 * each)
    radius = torch.sqrt(-2 * torch.log1p(-u[:, :each]))
    return (radius * torch.cos(2 * math.pi * u[:, each:])).reshape(shape)


def centred(u: Tensor) -> Tensor:
    """From [0, 1) to [−1, 1)."""
    return 2 * u - 1
