"""A convolutional autoencoder."""

from collections.abc import Sequence

from torch import Tensor, nn

from sprout.config.model import Autoencoder as AutoencoderConfig
from sprout.models.dense import ACTIVATIONS
from sprout.runtime.errors import UserError


class Autoencoder(nn.Module):
    """An encoder and its mirror image (Masci et al., "Stacked convolutional auto-encoders", 2011)."""

    def __init__(self, input_shape: tuple[int, ...], config: AutoencoderConfig) -> None:
        """Build both halves.

        Raises:
            UserError: the examples are not images, or too small to be halved once per convolution.
        """
        super().__init__()
        if len(input_shape) != 3:
            raise UserError("model.name=autoencoder: the examples are rows of a table; it takes images")
        sizes = halvings(input_shape[1:], config.channels)
        activation = ACTIVATIONS[config.activation]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        inputs = input_shape[0]
        for depth, filters in enumerate(config.channels):
            down += [nn.Conv2d(inputs, filters, config.kernel, padding="same"), activation(), nn.MaxPool2d(2)]
            last = nn.Sigmoid() if depth == 0 else activation()
            up[:0] = [nn.Upsample(sizes[depth]), nn.Conv2d(filters, inputs, config.kernel, padding="same"), last]
            inputs = filters
        if config.code is not None:
            middle = (inputs, *sizes[-1])
            flat = inputs * sizes[-1][0] * sizes[-1][1]
            down += [nn.Flatten(), nn.Linear(flat, config.code)]
            up[:0] = [nn.Linear(config.code, flat), activation(), nn.Unflatten(1, middle)]
        self.encoder, self.decoder = nn.Sequential(*down), nn.Sequential(*up)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) normalised → (N, C, H, W), pixels in 0..1."""
        reconstructed: Tensor = self.decoder(self.encoder(images))
        return reconstructed


def halvings(size: tuple[int, ...], channels: Sequence[int]) -> list[tuple[int, int]]:
    """Height and width in pixels before each pooling, and after the last.

    Raises:
        UserError: nothing is left after the last.
    """
    height, width = size
    sizes = [(height, width)]
    for _ in channels:
        height, width = height // 2, width // 2
        sizes.append((height, width))
    if min(height, width) < 1:
        raise UserError(
            f"model.channels={list(channels)}: nothing of {size[0]}×{size[1]} pixels is left after {len(channels)} "
            "halvings; use fewer"
        )
    return sizes
