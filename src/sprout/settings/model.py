"""Section `model`: the network. Its key `name` says which of these it is."""

from typing import Any, Literal

from pydantic.dataclasses import dataclass

from sprout.core.fields import STRICT, Count, CountOrZero, Name, Share

Activation = Literal["relu", "gelu", "silu", "tanh", "sigmoid"]


@dataclass(frozen=True, config=STRICT)
class Cnn:
    name: Literal["cnn"]
    """A plain convolutional network: blocks of convolutions, then dense layers."""
    channels: tuple[Count, ...]
    """Filters of each convolution, first to last."""
    kernel: Count
    """Side of the convolution kernels in pixels."""
    padding: Literal["same", "valid"]
    """`same` keeps the image's side, `valid` loses kernel − 1 pixels at each convolution."""
    pool: CountOrZero
    """Side and stride of the max pooling after each convolution in pixels; 0 means no pooling."""
    batch_norm: bool
    """Batch normalisation after each convolution."""
    hidden: tuple[Count, ...]
    """Units of each dense layer before the last."""
    activation: Activation
    """After every layer but the last."""
    dropout: Share
    """Dropout before each dense layer."""


@dataclass(frozen=True, config=STRICT)
class Mlp:
    name: Literal["mlp"]
    """Dense layers on the flattened example."""
    hidden: tuple[Count, ...]
    """Units of each hidden layer."""
    activation: Activation
    """After every layer but the last."""
    dropout: Share
    """Dropout after each hidden layer."""


@dataclass(frozen=True, config=STRICT)
class Target:
    name: Literal["target"]
    """A class of your own."""
    target: Name
    """`package.Class`, a subclass of torch.nn.Module; called with `input_shape` (C, H, W), `classes` (a
    number) and `args`."""
    args: dict[str, Any]
    """Further keyword arguments."""


Model = Cnn | Mlp | Target
MODELS = {"cnn": Cnn, "mlp": Mlp, "target": Target}
