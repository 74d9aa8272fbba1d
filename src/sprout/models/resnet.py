"""A small residual network for small images.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016; pooling before normalisation, and
pooling each channel to one number, after Page, "How to train your ResNet", 2018.
"""

from collections.abc import Callable

from torch import Tensor, nn

from sprout.config.model import Activation, Resnet
from sprout.models.cnn import for_each
from sprout.models.dense import ACTIVATIONS
from sprout.runtime.errors import UserError

POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "max": lambda maps: maps.amax((2, 3)),
    "average": lambda maps: maps.mean((2, 3)),
}
"""(N, C, H, W) → (N, C)."""


class ResNet(nn.Module):
    """A stem, stages that each halve the image, a pooling to one number per channel, and a dense head."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, config: Resnet) -> None:
        """Build the layers.

        Raises:
            UserError: the examples are not images, or too small to be halved once per stage.
        """
        super().__init__()
        check_size(input_shape, config)
        channels = input_shape[0]
        layers: list[nn.Module] = []
        if config.stem is not None:
            patches = nn.Conv2d(channels, config.stem, config.patch, config.patch, bias=False)
            layers += [patches, *normalised(config.stem, config.activation)]
            channels = config.stem
        for width, count in zip(config.widths, for_each(config.blocks, len(config.widths)), strict=True):
            layers += convolution(channels, width, config.activation, halved=True)
            layers += [Residual(width, config.activation) for _ in range(count)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.pool = POOLINGS[config.pooling]
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(channels, outputs)
        self.flip_average = config.flip_average

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, outputs)."""
        outputs = self.one_pass(images)
        if self.flip_average and not self.training:
            outputs = (outputs + self.one_pass(images.flip(-1))) / 2
        return outputs

    def one_pass(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, outputs), of the images as they are."""
        outputs: Tensor = self.head(self.dropout(self.pool(self.features(images))))
        return outputs


class Residual(nn.Module):
    """Two convolutions whose output is added to their input."""

    def __init__(self, width: int, activation: Activation) -> None:
        """Build both convolutions, of `width` channels in and out."""
        super().__init__()
        self.added = nn.Sequential(*convolution(width, width, activation), *convolution(width, width, activation))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W)."""
        added: Tensor = self.added(maps)
        return maps + added


def check_size(input_shape: tuple[int, ...], config: Resnet) -> None:
    """Refuse rows of a table, and images too small for the stages."""
    if len(input_shape) != 3:
        raise UserError("model.name=resnet: the examples are rows of a table; it takes images")
    stages = len(config.widths)
    if min(input_shape[1:]) // config.patch < 2**stages:
        raise UserError(
            f"model.widths={list(config.widths)}: nothing of {input_shape[1]}×{input_shape[2]} pixels is left after "
            f"patches of {config.patch} and {stages} halvings; use fewer"
        )


def convolution(channels: int, filters: int, activation: Activation, *, halved: bool = False) -> list[nn.Module]:
    """A 3×3 convolution, a pooling that halves the image if asked for, batch norm and activation."""
    layers: list[nn.Module] = [nn.Conv2d(channels, filters, 3, padding=1, bias=False)]
    return [*layers, *([nn.MaxPool2d(2)] if halved else []), *normalised(filters, activation)]


def normalised(filters: int, activation: Activation) -> list[nn.Module]:
    """Batch norm and activation."""
    return [nn.BatchNorm2d(filters), ACTIVATIONS[activation]()]
