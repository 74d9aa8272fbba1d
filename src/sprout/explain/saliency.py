"""Which pixels speak for a prediction: integrated gradients (Sundararajan, Taly and Yan, ICML 2017), by Captum."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from sprout.data.store import Array
from sprout.models.predictor import Predictor, max_batch

STEPS = 32
"""Images on the way from the empty image to the example at which gradients are taken."""
BLUR = 1 / 40
"""Of the longer side: the standard deviation of the blur that joins single pixels to parts of the object."""
BRIGHTEST = 99.0
"""The percentile of an image's saliency that becomes 1, so that one pixel does not darken all others."""


def saliency(predictor: Predictor, images: Array, targets: Array) -> Array:
    """How much each pixel speaks for an output: (N, H, W) float32 in 0..1; 0 where it speaks against it or not at all.

    Args:
        predictor: a model with a vector as its output, through which gradients flow.
        images: (N, H, W, C) uint8.
        targets: (N,) int, which output of each image is explained.
    """
    found = np.zeros(images.shape[:3], np.float32)
    size = max(1, max_batch(predictor.network, images.shape[1:]) // STEPS)
    for start in range(0, len(images), size):
        batch = slice(start, start + size)
        found[batch] = [as_shares(each) for each in evidence(predictor, images[batch], targets[batch])]
    return found


def evidence(predictor: Predictor, images: Array, targets: Array) -> Array:
    """What each pixel adds to an output, against the mean of the outputs: (N, H, W) float32, summed over colours."""
    from captum.attr import IntegratedGradients  # here, as it imports matplotlib

    def against_the_others(inputs: Tensor) -> Tensor:
        outputs: Tensor = predictor.network(inputs)
        return outputs - outputs.mean(dim=1, keepdim=True) if outputs.shape[1] > 1 else outputs

    inputs = predictor.normalise(predictor.scaled(images))
    with torch.enable_grad():
        added = IntegratedGradients(against_the_others).attribute(
            inputs, empty_images(inputs), target=torch.from_numpy(targets), n_steps=STEPS
        )
    summed: Array = added.sum(dim=1).detach().numpy()
    return summed


def empty_images(images: Tensor) -> Tensor:
    """Images of the background alone, whose colour is the median of each image's border: (N, C, H, W) → the same."""
    rows, columns = images[:, :, [0, -1], :].flatten(2), images[:, :, :, [0, -1]].flatten(2)
    colours = torch.cat([rows, columns], dim=2).median(dim=2).values
    return colours[:, :, None, None].expand_as(images)


def as_shares(added: Array) -> Array:
    """(H, W) float32 → 0..1, smoothed; what speaks against the output becomes 0."""
    smooth = gaussian_filter(np.maximum(added, 0), BLUR * max(added.shape))
    brightest = float(np.percentile(smooth, BRIGHTEST))
    shares: Array = np.clip(smooth / brightest, 0, 1) if brightest > 0 else np.zeros_like(added)
    return shares
