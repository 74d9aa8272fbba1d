"""Augmentation of a batch on any device; every example has random draws of its own (see `draws`)."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from sprout.augment.draws import Draw, centred, normal
from sprout.config.augment import Transforms

Size = tuple[int, int] | torch.Size
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in perceived brightness (ITU-R BT.601, as Pillow's `L`)."""


def augment(images: Tensor, draw: Draw, transforms: Transforms) -> Tensor:
    """Transform each image by its own draws: first the geometry, then the pixel values.

    A transform that is off draws nothing, so that adding one leaves the draws of the others as they were.

    Args:
        images: (N, C, H, W) float, 0..1.
        draw: see `draws`.
        transforms: which, and how strong.

    Returns:
        (N, C, H, W); brightness, contrast, colour and noise may take values out of 0..1.
    """
    return change_values(change_geometry(images, draw, transforms), draw, transforms)


def drop_entries(rows: Tensor, draw: Draw, drop: float, neutral: Tensor) -> Tensor:
    """Replace entries at random by the neutral value of their feature: (N, F), and (F,) values → (N, F).

    Args:
        rows: of a table.
        draw: see `draws`.
        drop: the probability for each entry.
        neutral: what normalising makes 0.
    """
    return torch.where(draw(rows.shape[1]) < drop, neutral, rows) if drop else rows


def change_geometry(images: Tensor, draw: Draw, transforms: Transforms) -> Tensor:
    """Flip, shift, rotate, zoom, shear and crop: (N, C, H, W) → (N, C, H, W), by one resampling at most."""
    flip, flip_vertical = transforms.flip, transforms.flip_vertical
    resampled = bool(transforms.rotate or transforms.zoom or transforms.shear or transforms.crop)
    if transforms.shift or resampled:
        # Shifts are by whole pixels where nothing else is resampled: images stay as sharp as those of val.
        matrices = affine(draw(6), images.shape[-2:], transforms, whole_pixels=not resampled)
        if flip_vertical:
            matrices = flip_up_down(matrices, draw(1), flip_vertical)
        if transforms.crop:
            matrices = crop_window(matrices, draw(3), images.shape[-2:], transforms.crop)
        return resample(images, matrices.to(images), transforms.fill)
    if flip:
        images = torch.where((draw(1) < flip)[..., None, None], images.flip(-1), images)
    if flip_vertical:
        images = torch.where((draw(1) < flip_vertical)[..., None, None], images.flip(-2), images)
    return images


def change_values(images: Tensor, draw: Draw, transforms: Transforms) -> Tensor:
    """Change gamma, brightness, contrast and colour, add noise, erase a square: (N, C, H, W) → (N, C, H, W)."""
    if transforms.gamma:
        power = torch.exp(transforms.gamma * centred(draw(1)))[..., None, None].to(images)
        # Resampling may leave a black pixel a rounding error below 0, which has no power.
        images = images.clamp_min(0) ** power
    if transforms.brightness:
        images = images * factors(draw(1), transforms.brightness).to(images)
    if transforms.contrast:
        images = scale_around(mean(grey(images)), images, factors(draw(1), transforms.contrast))
    if transforms.colour:
        images = scale_around(grey(images), images, factors(draw(1), transforms.colour))
    if transforms.noise:
        images = images + transforms.noise * normal(draw, images.shape).to(images)
    if transforms.erase:
        images = images * ~square_masks(draw(2), images.shape[-2:], transforms.erase)
    return images


def affine(u: Tensor, size: Size, transforms: Transforms, *, whole_pixels: bool) -> Tensor:
    """One matrix per example that maps output positions to input positions: (N, 6) → (N, 2, 3).

    Coordinates are those of `affine_grid`, −1..1 over the image. Angles are measured in pixels, hence the ratio of the
    sides beside each sine.
    """
    mirrored = torch.where(u[:, 0] < transforms.flip, -1.0, 1.0)
    across, down = 2 * transforms.shift * centred(u[:, 1]), 2 * transforms.shift * centred(u[:, 2])
    if whole_pixels:
        across, down = (torch.round(by * side / 2) * 2 / side for by, side in ((across, size[1]), (down, size[0])))
    angle = math.radians(transforms.rotate) * centred(u[:, 3])
    scale = 1 / (1 + transforms.zoom * centred(u[:, 4]))
    slant = torch.tan(math.radians(transforms.shear) * centred(u[:, 5]))
    cos, sin, ratio = torch.cos(angle), torch.sin(angle), size[0] / size[1]
    top = torch.stack([cos * scale * mirrored, (slant * cos - sin) * scale * mirrored * ratio, across], dim=1)
    bottom = torch.stack([sin * scale / ratio, (slant * sin + cos) * scale, down], dim=1)
    return torch.stack([top, bottom], dim=1)


def flip_up_down(matrices: Tensor, u: Tensor, probability: float) -> Tensor:
    """Flip some images up-down before the matrices' transform: (N, 2, 3), (N, 1) → (N, 2, 3)."""
    signs = torch.ones_like(matrices)
    # As in `affine`, the shift keeps its sign: it is drawn symmetrically anyway.
    signs[:, 1, :2] = torch.where(u < probability, -1.0, 1.0)
    return matrices * signs


def crop_window(matrices: Tensor, u: Tensor, size: Size, crop: float) -> Tensor:
    """Enlarge a random window of what the matrices give: (N, 2, 3), (N, 3) → (N, 2, 3).

    The window's sides are 1 to 1 − `crop` of the image's. It lies between the centres of the outermost pixels: beyond
    them, the filling of gaps would be blended in.
    """
    height, width = size
    side = 1 - crop * u[:, :1]
    reach = (1 - side) * centred(u[:, 1:])
    centre = torch.stack([reach[:, 0] * (1 - 1 / width), reach[:, 1] * (1 - 1 / height)], dim=1)
    turn, shift = matrices[..., :2], matrices[..., 2:]
    return torch.cat([turn * side[..., None], shift + (turn * centre[:, None]).sum(-1, keepdim=True)], dim=-1)


def resample(images: Tensor, matrices: Tensor, fill: str) -> Tensor:
    """One bilinear resampling: (N, C, H, W), (N, 2, 3) → (N, C, H, W)."""
    grid = sampling_grid(matrices, images.shape[-2:])
    return functional.grid_sample(images, grid, padding_mode=fill, align_corners=False)


def sampling_grid(matrices: Tensor, size: Size) -> Tensor:
    """The input position of each output pixel: (N, 2, 3) → (N, H, W, 2).

    The same as `affine_grid`, whose matrix product takes three times as long as the resampling itself. Here the two
    coordinates lie in planes of their own, in which memory is read and added up in order.
    """
    down, across = (centred((torch.arange(side).to(matrices) + 0.5) / side) for side in size)
    columns = matrices[..., 0, None] * across
    rows = matrices[..., 1, None] * down + matrices[..., 2, None]
    return (rows[..., :, None] + columns[..., None, :]).movedim(1, -1)


def factors(u: Tensor, largest_change: float) -> Tensor:
    """A factor in 1 ± `largest_change` for each example: (N, 1) → (N, 1, 1, 1)."""
    return (1 + largest_change * centred(u))[..., None, None]


def scale_around(centre: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """Multiply each value's distance from `centre`: factor 0 gives the centre, 1 the images."""
    return centre + factor.to(images) * (images - centre)


def grey(images: Tensor) -> Tensor:
    """Three channels weighted by `LUMA`, any other number by their mean: (N, C, H, W) → (N, 1, H, W)."""
    channels = images.unbind(1)
    weights = LUMA if len(channels) == len(LUMA) else [1 / len(channels)] * len(channels)
    # Added one by one: the order in which torch sums may depend on the size of the batch.
    return sum((w * c for w, c in zip(weights, channels, strict=True)), images.new_zeros(()))[:, None]


def mean(images: Tensor) -> Tensor:
    """Each image's mean, to 24 bits: (N, 1, H, W) → (N, 1, 1, 1).

    Summed as integers, as an integer sum is the same in any order: batch size, threads and device change nothing.
    """
    total = (images * (1 << 24)).round().to(torch.int64).sum((-2, -1), keepdim=True)
    return (total / (math.prod(images.shape[1:]) * (1 << 24))).to(images)


def square_masks(u: Tensor, size: Size, share: float) -> Tensor:
    """Where each example's erased square lies: (N, 2) → (N, 1, H, W) bool.

    Cutout (DeVries and Taylor, 2017): the centre lies anywhere in the image, so that the square may be cut off.
    """
    height, width = size
    rows = torch.arange(height, device=u.device) + 0.5
    columns = torch.arange(width, device=u.device) + 0.5
    near_row = (rows - u[:, :1] * height).abs() < share * height / 2
    near_column = (columns - u[:, 1:] * width).abs() < share * width / 2
    return (near_row[:, :, None] & near_column[:, None, :])[:, None]
