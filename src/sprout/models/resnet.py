"""A small residual network for small images.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016; pooling before normalisation, and
pooling to one number, after Page, "How to train your ResNet", 2018.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from sprout.models.cnn import each
from sprout.models.dense import ACTIVATIONS
from sprout.runtime.errors import UserError

POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "max": lambda maps: maps.amax((2, 3)),
    "average": lambda maps: maps.mean((2, 3)),
}
"""(N, C, H, W) → (N, C)."""


class Residual(nn.Module):
    """Two convolutions whose result is added to what went in."""

    def __init__(self, width: int, activation: str) -> None:
        """Keep the width."""
        super().__init__()
        self.added = nn.Sequential(*convolution(width, width, activation), *convolution(width, width, activation))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) → the same."""
        added: Tensor = self.added(maps)
        return maps + added


class ResNet(nn.Module):
    """A stem, stages that halve the image each, a pooling to one number a channel, and one dense layer."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        stem: int | None,
        patch: int,
        widths: Sequence[int],
        blocks: int | Sequence[int],
        activation: str,
        pooling: str,
        dropout: float,
        flip_average: bool,
    ) -> None:
        """Build it.

        Raises:
            UserError: the examples are no images, or too small for so many halvings.
        """
        super().__init__()
        if len(input_shape) != 3:
            raise UserError("model.name=resnet: the examples are rows of a table; it takes images")
        if min(input_shape[1:]) // patch < 2 ** len(widths):
            raise UserError(
                f"model.widths={list(widths)}: nothing of {input_shape[1]}×{input_shape[2]} pixels is left after "
                f"patches of {patch} and {len(widths)} halvings; use fewer"
            )
        inputs = input_shape[0]
        layers: list[nn.Module] = []
        if stem is not None:
            layers += [nn.Conv2d(inputs, stem, patch, patch, bias=False), *normalised(stem, activation)]
            inputs = stem
        for width, count in zip(widths, each(blocks, len(widths)), strict=True):
            layers += [*convolution(inputs, width, activation, halved=True)]
            layers += [Residual(width, activation) for _ in range(count)]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.pool: Callable[[Tensor], Tensor] = POOLINGS[pooling]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, outputs)
        self.flip_average = flip_average

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, outputs)."""
        found = self.seen(images)
        if self.flip_average and not self.training:
            found = (found + self.seen(images.flip(-1))) / 2
        return found

    def seen(self, images: Tensor) -> Tensor:
        """One look at the images."""
        found: Tensor = self.head(self.dropout(self.pool(self.features(images))))
        return found


def convolution(inputs: int, filters: int, activation: str, *, halved: bool = False) -> list[nn.Module]:
    """A 3×3 convolution and what follows it."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, filters, 3, padding=1, bias=False)]
    return [*layers, *([nn.MaxPool2d(2)] if halved else []), *normalised(filters, activation)]


def normalised(filters: int, activation: str) -> list[nn.Module]:
    """Batch norm and activation."""
    return [nn.BatchNorm2d(filters), ACTIVATIONS[activation]()]
