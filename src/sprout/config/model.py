"""Section `model`: the network. Its key `name` says which of these it is."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count, CountOrZero, Name, Positive, Share

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
Counts = Count | tuple[Count, ...]
CountsOrZero = CountOrZero | tuple[CountOrZero, ...]
Shares = Share | tuple[Share, ...]
"""One value for all blocks, or one for each."""


def odd(count: int) -> int:
    """Check that a kernel has a middle."""
    if count % 2 == 0:
        raise ValueError("is even; a kernel that keeps the image's side is odd")
    return count


OddCount = Annotated[Count, AfterValidator(odd)]


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
    """Filters of each block of convolutions, first to last. Of the settings below that take a list, each has one value
    for all blocks, or one for each."""
    convolutions: Counts
    """Convolutions in each block."""
    kernel: Counts
    """Side of the convolution kernels in pixels."""
    padding: Literal["same", "valid"]
    """`same` keeps the image's side, `valid` loses kernel − 1 pixels at each convolution."""
    pool: CountsOrZero
    """Side and stride of the pooling after each block in pixels; 0 means no pooling."""
    pooling: Literal["max", "average"]
    """What the pooling keeps of its window."""
    batch_norm: bool
    """Batch normalisation after each convolution."""
    conv_dropout: Shares
    """Dropout after each block, pooled."""
    hidden: tuple[Count, ...]
    """Units of each dense layer before the last."""
    activation: Activation
    """After every layer but the last."""
    dropout: Share
    """Dropout after each hidden dense layer."""

    def __post_init__(self) -> None:
        """Lists fit the blocks; and an even kernel has no middle: torch would copy the image to pad one side more."""
        for key in ("convolutions", "kernel", "pool", "conv_dropout"):
            value = getattr(self, key)
            if isinstance(value, tuple) and len(value) != len(self.channels):
                raise ValueError(
                    f"{key}={list(value)} has {len(value)} values, and channels={list(self.channels)} has "
                    f"{len(self.channels)}; give one value for all blocks, or one for each"
                )
        kernels = self.kernel if isinstance(self.kernel, tuple) else (self.kernel,)
        if even := [kernel for kernel in kernels if self.padding == "same" and kernel % 2 == 0]:
            raise ValueError(
                f"kernel={even[0]} is even, padding=same needs an odd one; set another kernel or padding=valid"
            )


@dataclass(frozen=True, config=STRICT)
class Mlp:
    name: Literal["mlp"]
    """Dense layers on the flattened example."""
    hidden: tuple[Count, ...]
    """Units of each hidden layer; none make a linear model."""
    batch_norm: bool
    """Batch normalisation after each hidden layer, before its activation."""
    activation: Activation
    """After every layer but the last."""
    dropout: Share
    """Dropout after each hidden layer."""


@dataclass(frozen=True, config=STRICT)
class Resnet:
    name: Literal["resnet"]
    """A small residual network with batch norm: a stem, then stages that halve the image each."""
    stem: Count | None
    """Filters of a first convolution, which makes one pixel of a patch; null leaves the image as it is."""
    patch: Count
    """Side of the patches in pixels; 1 without a stem."""
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Filters of each stage."""
    blocks: CountsOrZero
    """Residual blocks of two convolutions in each stage: one value for all, or one for each."""
    activation: Activation
    """After every convolution."""
    pooling: Literal["max", "average"]
    """What one number is kept of each filter at the end."""
    dropout: Share
    """Dropout before the last layer."""
    flip_average: bool
    """Outside of training the output is the mean over the image and its mirror image."""

    def __post_init__(self) -> None:
        """Lists fit the stages, and patches need a stem."""
        if isinstance(self.blocks, tuple) and len(self.blocks) != len(self.widths):
            raise ValueError(
                f"blocks={list(self.blocks)} has {len(self.blocks)} values, and widths={list(self.widths)} has "
                f"{len(self.widths)}; give one value for all stages, or one for each"
            )
        if self.stem is None and self.patch != 1:
            raise ValueError(f"patch={self.patch} needs a stem, which makes the patches; set stem, or patch to 1")


@dataclass(frozen=True, config=STRICT)
class Autoencoder:
    name: Literal["autoencoder"]
    """A convolutional encoder and its mirror image; for the task reconstruct."""
    channels: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Filters of each convolution of the encoder; after each the image is halved."""
    kernel: OddCount
    """Side of the convolution kernels in pixels."""
    code: Count | None
    """Numbers in the middle, by a dense layer; null keeps the encoder's image."""
    activation: Activation
    """After every layer but the code and the last, which ends in 0..1."""


@dataclass(frozen=True, config=STRICT)
class Backbone:
    name: Literal["backbone"]
    """A network of torchvision, with a new head; see the section `pretrained` for its weights."""
    architecture: Name
    """A name in `torchvision.models.list_models(module=torchvision.models)`, such as resnet18."""
    side: Count | None
    """Images are brought to so many pixels a side before the network, on the device; null leaves them."""


@dataclass(frozen=True, config=STRICT)
class Logistic:
    name: Literal["logistic"]
    """Logistic regression on the flattened example."""
    c: Positive
    """The inverse of the strength of the L2 regularisation: the smaller, the smaller the weights stay."""


@dataclass(frozen=True, config=STRICT)
class Forest:
    name: Literal["forest"]
    """A random forest on the flattened example."""
    trees: Count
    """Trees, each grown on a draw of its own from the training examples."""
    max_depth: Count | None
    """Decisions from a root to a leaf, at most; null grows each tree until its leaves are pure."""
    min_leaf: Count
    """Training examples in a leaf, at least."""


@dataclass(frozen=True, config=STRICT)
class KMeans:
    name: Literal["kmeans"]
    """k-means, which groups examples without labels; the task is then cluster."""
    clusters: Count
    """Groups to find."""
    restarts: Count
    """Draws of first centres (k-means++; Arthur and Vassilvitskii, 2007); the tightest clusters are kept."""
    features: Literal["raw", "network"]
    """What is compared: the flattened example, or what the network of the section `pretrained` computes just before its
    last dense layer; of an autoencoder, its code."""
    unit_length: bool
    """Bring the features of each example to length 1, so that their direction alone counts."""


@dataclass(frozen=True, config=STRICT)
class Target:
    """Stages run with PYTHONPATH=src and know their code by the deps in dvc.yaml: the class lies under `src/`,
    and its file is named in the deps of the stages train, pseudo_label, retrain and evaluate.
    """

    name: Literal["target"]
    """A class of your own."""
    target: Annotated[Name, AfterValidator(dotted)]
    """`package.Class`, a subclass of torch.nn.Module; called with `input_shape` (C, H, W) of an image or
    (F,) of a table's row, `outputs` (a number: of classes, or 1 for a regression) and `args`."""
    args: dict[str, Any]
    """Further keyword arguments."""


MODELS = {
    "cnn": Cnn,
    "mlp": Mlp,
    "resnet": Resnet,
    "autoencoder": Autoencoder,
    "backbone": Backbone,
    "logistic": Logistic,
    "forest": Forest,
    "kmeans": KMeans,
    "target": Target,
}
ESTIMATORS = ("logistic", "forest", "kmeans")
"""Those that scikit-learn trains."""
