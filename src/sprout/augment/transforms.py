"""Augmentation: pure functions on a batch, with an own random draw for every example (see `draws`)."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from sprout.augment.draws import Draw, centred, normal

Size = tuple[int, int] | torch.Size
LUMA = (0.299, 0.587, 0.114)
"""Red, green and blue in the brightness that an eye sees (ITU-R BT.601, as Pillow's `L`)."""


def augment(
    images: Tensor,
    draw: Draw,
    *,
    flip: float,
    flip_vertical: float,
    shift: float,
    rotate: float,
    zoom: float,
    shear: float,
    crop: float,
    brightness: float,
    contrast: float,
    colour: float,
    noise: float,
    erase: float,
    fill: str,
) -> Tensor:
    """Transform every image by its own draws: first where its pixels lie, then what they are.

    Args:
        images: (N, C, H, W) float, 0..1.
        draw: see `draws`.
        flip: probability of a left-right flip.
        flip_vertical: probability of an up-down flip.
        shift: largest shift along each axis, as a share of the side; without another move by whole pixels.
        rotate: largest rotation, degrees.
        zoom: largest change of scale.
        shear: largest horizontal shear, degrees.
        crop: largest share of the sides that is cut off; what is left is enlarged to the whole.
        brightness: largest change of brightness, a factor from 1 ± this.
        contrast: largest change of contrast, a factor from 1 ± this around the image's mean grey.
        colour: largest change of saturation, a factor from 1 ± this; a grey image stays as it is.
        noise: standard deviation of Gaussian noise.
        erase: side of an erased square as a share of the image's side.
        fill: what stands in a gap: zeros, border or reflection.

    Returns:
        (N, C, H, W), values may leave 0..1 by brightness, contrast, colour and noise.
    """
    size = images.shape[-2:]
    # What is off draws nothing: the draws of the others stay what they were before it existed.
    if shift or rotate or zoom or shear or crop:
        # Whole pixels where nothing else needs a resampling: it would leave images less sharp than those on val.
        whole = not (rotate or zoom or shear or crop)
        matrices = affine(draw(6), size, flip, shift, rotate, zoom, shear, whole)
        if flip_vertical:
            matrices = upended(matrices, draw(1), flip_vertical)
        if crop:
            matrices = cropped(matrices, draw(3), size, crop)
        images = resample(images, matrices.to(images), fill)
    else:
        if flip:
            images = torch.where((draw(1) < flip)[..., None, None], images.flip(-1), images)
        if flip_vertical:
            images = torch.where((draw(1) < flip_vertical)[..., None, None], images.flip(-2), images)
    if brightness:
        images = images * factors(draw(1), brightness).to(images)
    if contrast:
        images = stretched(images, mean(grey(images)), factors(draw(1), contrast))
    if colour:
        images = stretched(images, grey(images), factors(draw(1), colour))
    if noise:
        images = images + noise * normal(draw, images.shape).to(images)
    if erase:
        images = images * ~squares(draw(2), size, erase)
    return images


def affine(
    u: Tensor, size: Size, flip: float, shift: float, rotate: float, zoom: float, shear: float, whole: bool
) -> Tensor:
    """One matrix per example that takes output positions to input positions: (N, 6) → (N, 2, 3).

    Coordinates are those of `affine_grid`: −1..1 over the image. Angles are meant in pixels, hence the
    side ratio beside each sine.
    """
    mirrored = torch.where(u[:, 0] < flip, -1.0, 1.0)
    across, down = 2 * shift * centred(u[:, 1]), 2 * shift * centred(u[:, 2])
    if whole:
        across, down = (torch.round(by * side / 2) * 2 / side for by, side in ((across, size[1]), (down, size[0])))
    angle = math.radians(rotate) * centred(u[:, 3])
    scale = 1 / (1 + zoom * centred(u[:, 4]))
    slant = torch.tan(math.radians(shear) * centred(u[:, 5]))
    cos, sin, ratio = torch.cos(angle), torch.sin(angle), size[0] / size[1]
    top = torch.stack([cos * scale * mirrored, (slant * cos - sin) * scale * mirrored * ratio, across], dim=1)
    bottom = torch.stack([sin * scale / ratio, (slant * sin + cos) * scale, down], dim=1)
    return torch.stack([top, bottom], dim=1)


def upended(matrices: Tensor, u: Tensor, flip_vertical: float) -> Tensor:
    """The same moves of an image that may have been flipped up-down before: (N, 2, 3), (N, 1) → (N, 2, 3)."""
    signs = torch.ones_like(matrices)
    # As in `affine`, the shift stays: it is drawn evenly to both sides anyway.
    signs[:, 1, :2] = torch.where(u < flip_vertical, -1.0, 1.0)
    return matrices * signs


def cropped(matrices: Tensor, u: Tensor, size: Size, crop: float) -> Tensor:
    """The same moves, then a window of the result: (N, 2, 3), (N, 3) → (N, 2, 3).

    The window's sides are 1 to 1 − `crop` of the image's. It lies anywhere between the outermost pixels'
    centres: to look past them would blend in what stands in a gap.
    """
    height, width = size
    side = 1 - crop * u[:, :1]
    reach = (1 - side) * centred(u[:, 1:])
    centre = torch.stack([reach[:, 0] * (1 - 1 / width), reach[:, 1] * (1 - 1 / height)], dim=1)
    turn, shift = matrices[..., :2], matrices[..., 2:]
    return torch.cat([turn * side[..., None], shift + (turn * centre[:, None]).sum(-1, keepdim=True)], dim=-1)


def resample(images: Tensor, matrices: Tensor, fill: str) -> Tensor:
    """One bilinear resampling: (N, C, H, W), (N, 2, 3) → (N, C, H, W)."""
    places = positions(matrices, images.shape[-2:])
    return functional.grid_sample(images, places, padding_mode=fill, align_corners=False)


def positions(matrices: Tensor, size: Size) -> Tensor:
    """Where each output pixel is read: (N, 2, 3) → (N, H, W, 2).

    As `affine_grid`, whose product of matrices takes three times as long as the resampling itself. The two
    coordinates lie in planes of their own, in which everything is added up and read side by side.
    """
    down, across = (centred((torch.arange(side).to(matrices) + 0.5) / side) for side in size)
    columns = matrices[..., 0, None] * across
    rows = matrices[..., 1, None] * down + matrices[..., 2, None]
    return (rows[..., :, None] + columns[..., None, :]).movedim(1, -1)


def factors(u: Tensor, most: float) -> Tensor:
    """A factor from 1 ± `most` for each example: (N, 1) → (N, 1, 1, 1)."""
    return (1 + most * centred(u))[..., None, None]


def stretched(images: Tensor, middle: Tensor, factor: Tensor) -> Tensor:
    """Every value moved to or from the middle: at factor 0 it is the middle, at 1 itself."""
    return middle + factor.to(images) * (images - middle)


def grey(images: Tensor) -> Tensor:
    """Three channels by `LUMA`, any other number by their mean: (N, C, H, W) → (N, 1, H, W)."""
    channels = images.unbind(1)
    weights = LUMA if len(channels) == len(LUMA) else [1 / len(channels)] * len(channels)
    # One by one, since the order in which a library sums may depend on the size of the batch.
    return sum((w * c for w, c in zip(weights, channels, strict=True)), images.new_zeros(()))[:, None]


def mean(images: Tensor) -> Tensor:
    """Each image's mean, to 24 bits: (N, 1, H, W) → (N, 1, 1, 1).

    Summed in whole numbers, whose sum has one value in every order: the batch's size, the number of
    threads and the device change nothing.
    """
    total = (images * (1 << 24)).round().to(torch.int64).sum((-2, -1), keepdim=True)
    return (total / (math.prod(images.shape[1:]) * (1 << 24))).to(images)


def squares(u: Tensor, size: Size, share: float) -> Tensor:
    """Where each example's erased square lies: (N, 2) → (N, 1, H, W) bool.

    Cutout (DeVries and Taylor, 2017): its centre lies anywhere, so part of it may lie outside.
    """
    height, width = size
    rows = torch.arange(height, device=u.device) + 0.5
    columns = torch.arange(width, device=u.device) + 0.5
    near_row = (rows - u[:, :1] * height).abs() < share * height / 2
    near_column = (columns - u[:, 1:] * width).abs() < share * width / 2
    return (near_row[:, :, None] & near_column[:, None, :])[:, None]
