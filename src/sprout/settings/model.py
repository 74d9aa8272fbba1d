"""Section `model`: the network. Its key `name` says which of these it is."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from sprout.core.fields import STRICT, Count, CountOrZero, Name, Share

Activation = Literal["relu", "gelu", "silu", "tanh", "sigmoid"]


def dotted(path: str) -> str:
    """Check that this can be a class in a module."""
    module, _, name = path.rpartition(".")
    if not (module and name):
        raise ValueError("is not of the form package.Class")
    return path


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

    def __post_init__(self) -> None:
        """An even kernel has no middle: torch would copy the image to pad one side more, and warns."""
        if self.padding == "same" and self.kernel % 2 == 0:
            raise ValueError(
                f"kernel={self.kernel} is even, padding=same needs an odd one; set another kernel or padding=valid"
            )


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
    """Stages run with PYTHONPATH=src and know their code by the deps in dvc.yaml: the class lies under `src/`,
    and its file is named in the deps of the stages train, pseudo_label, retrain and evaluate.
    """

    name: Literal["target"]
    """A class of your own."""
    target: Annotated[Name, AfterValidator(dotted)]
    """`package.Class`, a subclass of torch.nn.Module; called with `input_shape` (C, H, W) of an image or
    (F,) of a table's row, `classes` (a number) and `args`."""
    args: dict[str, Any]
    """Further keyword arguments."""


MODELS = {"cnn": Cnn, "mlp": Mlp, "target": Target}
