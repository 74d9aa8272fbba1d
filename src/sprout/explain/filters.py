"""What the filters of a convolution look for: images that excite them most, found by gradient ascent from noise.

An image is the sigmoid of a sum of waves whose coefficients are learned, so that all frequencies are found equally
fast (Olah, Mordvintsev and Schubert, "Feature visualization", Distill 2017), it is moved about in each step, and its
roughness is punished (Yosinski et al., "Understanding neural networks through deep visualization", 2015). Without
these one sees noise.
"""

import numpy as np
import torch
from torch import Tensor, nn

from sprout.data.store import Array
from sprout.explain.files import LayerFilters
from sprout.models.predictor import Predictor
from sprout.runtime.progress import track

LAYERS = 6
"""Convolutions at most; of more, evenly spaced ones from the first to the last."""
STEPS = 100
LR = 0.05
JITTER = 1 / 8
"""Of the sides: how far an image is moved, at most."""
ROUGHNESS = 0.5
"""What the total variation counts against the logarithm of the excitation."""


def convolutions(network: nn.Module) -> list[tuple[str, nn.Conv2d]]:
    """The convolutions of a network that see more than one pixel, `LAYERS` at most, with their names."""
    found = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1
    ]
    return [found[place] for place in spaced(len(found), LAYERS)]


def spaced(count: int, most: int) -> list[int]:
    """`most` of the numbers 0 … count − 1, or all, evenly spaced from the first to the last."""
    chosen: list[int] = np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
    return chosen


def filter_images(predictor: Predictor, wanted: int, seed: int = 0) -> list[LayerFilters]:
    """What `wanted` filters of each convolution look for; none where the model takes no images."""
    if len(predictor.card.input_shape) != 3 or not wanted:
        return []
    layers = convolutions(predictor.network)
    return [filters_of(predictor, name, module, wanted, seed) for name, module in track(layers, "filters", len(layers))]


def filters_of(predictor: Predictor, name: str, layer: nn.Conv2d, wanted: int, seed: int) -> LayerFilters:
    """What some filters of one convolution look for."""
    chosen = np.array(spaced(layer.out_channels, wanted))
    images = ascend(predictor, layer, torch.from_numpy(chosen), seed)
    return LayerFilters(name, layer.out_channels, chosen, with_full_contrast(images))


def ascend(predictor: Predictor, layer: nn.Conv2d, chosen: Tensor, seed: int) -> Tensor:
    """Images that excite filters of a layer: (n,) int → (n, C, H, W) float32 in 0..1."""
    height, width, channels = predictor.card.input_shape
    random = torch.Generator().manual_seed(seed)
    waves = Waves(len(chosen), channels, height, width, random)
    with torch.enable_grad():
        for _ in range(STEPS):
            images = waves.images()
            inputs = predictor.normalise(moved(images, random))
            excited = activations(predictor.network, layer, inputs)[torch.arange(len(chosen)), chosen]
            loss = ROUGHNESS * roughness(images) - excitement(excited)
            (gradient,) = torch.autograd.grad(loss.sum(), waves.coefficients)
            waves.step(gradient)
    return waves.images().detach()


class Waves:
    """Images as sums of waves; the longer the wave, the larger its coefficient counts, as in photographs."""

    def __init__(self, count: int, channels: int, height: int, width: int, random: torch.Generator) -> None:
        """Draw small coefficients."""
        self.size = (height, width)
        down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        frequency = (down**2 + across**2).sqrt()
        self.scale = 1 / frequency.clamp(min=1 / max(self.size))
        drawn = torch.randn(count, channels, *frequency.shape, 2, generator=random)
        self.coefficients = (0.01 * drawn).requires_grad_()

    def step(self, gradient: Tensor) -> None:
        """Change the coefficients of each image against its gradient, all images equally far.

        An optimizer of torch would do, but its first step imports the compiler, which takes seconds.
        """
        size = gradient.square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt()
        self.coefficients.data -= LR * gradient / size.clamp(min=1e-12)

    def images(self) -> Tensor:
        """(n, C, H, W) in 0..1."""
        spectrum = torch.view_as_complex(self.coefficients) * self.scale
        pixels: Tensor = torch.fft.irfft2(spectrum, s=self.size, norm="ortho").sigmoid()
        return pixels


class ReachedError(Exception):
    """The layer that was asked for has run, so the layers behind it need not."""


def activations(network: nn.Module, layer: nn.Module, inputs: Tensor) -> Tensor:
    """What a layer of a network gives for these inputs: (n, filters, h, w)."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(output)
        raise ReachedError

    hook = layer.register_forward_hook(keep)
    try:
        network(inputs)
    except ReachedError:
        pass
    finally:
        hook.remove()
    return found[0]


def excitement(excited: Tensor) -> Tensor:
    """How strongly each filter answers at some places and not at others, as a logarithm: (n, h, w) → (n,).

    What counts is above the mean of all places: else a filter of brightness would show an image of one colour.
    """
    above = (excited - excited.mean(dim=(1, 2), keepdim=True)).relu()
    return above.square().mean(dim=(1, 2)).add(1e-6).log()


def roughness(images: Tensor) -> Tensor:
    """The total variation: the mean difference of neighbouring pixels, (n, C, H, W) → (n,)."""
    down, across = (images.diff(dim=dim).abs().mean(dim=(1, 2, 3)) for dim in (2, 3))
    return down + across


def moved(images: Tensor, random: torch.Generator) -> Tensor:
    """The images, shifted by up to `JITTER` of their sides; what leaves at one side comes in at the other."""
    far = [max(1, round(JITTER * side)) for side in images.shape[2:]]
    steps = [int(torch.randint(-most, most + 1, (), generator=random)) for most in far]
    return images.roll(steps, dims=(2, 3))


def with_full_contrast(images: Tensor) -> Array:
    """(n, C, H, W) in 0..1 → (n, H, W, C) uint8, each from black to white."""
    low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    stretched = (images - low) / (high - low).clamp(min=1e-6)
    pixels: Array = stretched.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return pixels
