"""Section `model`: the network, or the model of scikit-learn. The key `name` selects one of these classes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, ClassPath, Count, CountOrZero, Name, Positive, Share

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
Counts = Count | tuple[Count, ...]
CountsOrZero = CountOrZero | tuple[CountOrZero, ...]
Shares = Share | tuple[Share, ...]
"""One value for all blocks, or one for each."""


def odd(count: int) -> int:
    """Check that a kernel has a centre."""
    if count % 2 == 0:
        raise ValueError("is even; accepted: odd numbers, so that the kernel has a centre")
    return count


OddCount = Annotated[Count, AfterValidator(odd)]


@dataclass(frozen=True, config=STRICT)
class Cnn:
    name: Literal["cnn"]
    """A plain convolutional network: blocks of convolutions, then dense layers."""
    channels: tuple[Count, ...]
    """Filters of each block. The settings below that accept a list take one value for all blocks, or one for each."""
    convolutions: Counts
    """Convolutions in each block."""
    kernel: Counts
    """Side of the convolution kernels in pixels."""
    padding: Literal["same", "valid"]
    """`same` keeps the image's side, `valid` reduces it by kernel − 1 pixels at each convolution."""
    pool: CountsOrZero
    """Side and stride of the pooling after each block in pixels; 0 means no pooling."""
    pooling: Literal["max", "average"]
    """The maximum or the mean of each pooling window."""
    batch_norm: bool
    """Batch normalisation after each convolution."""
    conv_dropout: Shares
    """Dropout after the pooling of each block."""
    hidden: tuple[Count, ...]
    """Units of each dense layer before the last."""
    activation: Activation
    """Activation function after every layer but the last."""
    dropout: Share
    """Dropout after each hidden dense layer."""

    def __post_init__(self) -> None:
        """Check that lists have a value for each block, and that same padding has an odd kernel.

        With an even one, torch copies the image to pad one side more than the other.
        """
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
    """Units of each hidden layer; an empty list gives a linear model."""
    batch_norm: bool
    """Batch normalisation after each hidden layer, before its activation."""
    activation: Activation
    """Activation function after every layer but the last."""
    dropout: Share
    """Dropout after each hidden layer."""


@dataclass(frozen=True, config=STRICT)
class Resnet:
    name: Literal["resnet"]
    """A small residual network with batch norm: a stem, then stages, each of which halves the image."""
    stem: Count | None
    """Filters of a first convolution that turns each patch into one pixel; null means no such convolution."""
    patch: Count
    """Side of the patches in pixels; 1 without a stem."""
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Filters of each stage."""
    blocks: CountsOrZero
    """Residual blocks of two convolutions in each stage: one value for all, or one for each."""
    activation: Activation
    """Activation function after every convolution."""
    pooling: Literal["max", "average"]
    """Global pooling after the last stage: the maximum or the mean of each filter."""
    dropout: Share
    """Dropout before the last layer."""
    flip_average: bool
    """In evaluation, average the outputs for the image and its horizontal flip."""

    def __post_init__(self) -> None:
        """Check that a list has a value for each stage, and that patches have a stem."""
        if isinstance(self.blocks, tuple) and len(self.blocks) != len(self.widths):
            raise ValueError(
                f"blocks={list(self.blocks)} has {len(self.blocks)} values, and widths={list(self.widths)} has "
                f"{len(self.widths)}; give one value for all stages, or one for each"
            )
        if self.stem is None and self.patch != 1:
            raise ValueError(f"patch={self.patch} needs a stem; set stem, or set patch to 1")


@dataclass(frozen=True, config=STRICT)
class Autoencoder:
    name: Literal["autoencoder"]
    """A convolutional encoder and a decoder that mirrors it; for the task reconstruct."""
    channels: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Filters of each convolution of the encoder, each of which halves the image."""
    kernel: OddCount
    """Side of the convolution kernels in pixels."""
    code: Count | None
    """Size of the latent vector, by a dense layer; null keeps the encoder's feature maps."""
    activation: Activation
    """Activation function after every layer but the latent and the last one, whose outputs are in 0..1."""


@dataclass(frozen=True, config=STRICT)
class Backbone:
    name: Literal["backbone"]
    """A torchvision network with a new head; the section `pretrained` names its weights."""
    architecture: Name
    """A name in `torchvision.models.list_models(module=torchvision.models)`, such as resnet18."""
    side: Count | None
    """Images are resized to this many pixels a side, on the device; null keeps their size."""


@dataclass(frozen=True, config=STRICT)
class Logistic:
    name: Literal["logistic"]
    """Logistic regression on the flattened example."""
    c: Positive
    """Inverse of the strength of the L2 regularisation: smaller values regularise more."""


@dataclass(frozen=True, config=STRICT)
class Forest:
    name: Literal["forest"]
    """A random forest on the flattened example."""
    trees: Count
    """Number of trees, each grown on its own bootstrap sample of the training examples."""
    max_depth: Count | None
    """Maximum depth of a tree; null grows each tree until its leaves are pure."""
    min_leaf: Count
    """Minimum number of training examples in a leaf."""


@dataclass(frozen=True, config=STRICT)
class KMeans:
    name: Literal["kmeans"]
    """k-means, which clusters examples without labels; the task is then cluster."""
    clusters: Count
    """Number of clusters."""
    restarts: Count
    """Initialisations (k-means++: Arthur and Vassilvitskii, 2007); the result with the smallest inertia is kept."""
    features: Literal["raw", "network"]
    """What is clustered: the flattened examples, or the inputs of the last dense layer of the network in the section
    `pretrained`; for an autoencoder, its latent vectors."""
    unit_length: bool
    """Normalise the features of each example to length 1, so that only their direction counts."""


@dataclass(frozen=True, config=STRICT)
class Target:
    """The class must be in a module under `src/`, because stages run with PYTHONPATH=src.

    Its file must be among the deps of the stages train, pseudo_label, retrain and evaluate in dvc.yaml, so that a
    change of it runs them again.
    """

    name: Literal["target"]
    """Your own class."""
    target: ClassPath
    """`package.Class`, a subclass of torch.nn.Module. It is called with `input_shape`, (C, H, W) of an image or (F,) of
    a table's row, `outputs`, the number of outputs (of classes, or 1 for a regression), and `args`."""
    args: dict[str, Any]
    """Further keyword arguments."""


Network = Cnn | Mlp | Resnet | Autoencoder | Backbone | Target
"""The models that gradient descent trains."""
Estimator = Logistic | Forest | KMeans
"""The models that scikit-learn fits."""
Model = Network | Estimator
MODELS: dict[str, type[Model]] = {
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
"""The names of the models that scikit-learn fits."""
