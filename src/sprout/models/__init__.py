"""Networks, by the name that the section `model` gives."""

from collections.abc import Callable
from typing import Any

from torch import nn

from sprout.models.autoencoder import Autoencoder
from sprout.models.backbone import Backbone
from sprout.models.centres import kmeans
from sprout.models.cnn import cnn
from sprout.models.dense import linear, mlp
from sprout.models.forest import Forest
from sprout.models.resnet import ResNet
from sprout.runtime.errors import UserError
from sprout.runtime.user_class import subclass

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "cnn": cnn,
    "mlp": mlp,
    "resnet": ResNet,
    "autoencoder": Autoencoder,
    "backbone": Backbone,
    "logistic": linear,
    "forest": Forest,
    "kmeans": kmeans,
}


def build(input_shape: tuple[int, ...], outputs: int, *, name: str, **options: Any) -> nn.Module:
    """Build a network.

    Args:
        input_shape: (C, H, W) of one image, or (F,) of one row of a table.
        outputs: numbers that the network gives for one example, such as a logit for each class; an autoencoder gives an
            image instead.
        name: a registered name, or `target` for the class that `options["target"]` names.
        options: the section's further keys.

    Raises:
        UserError: the settings do not fit the input, or the memory; or the class cannot be used.
    """
    try:
        return made(input_shape, outputs, name, **options)
    except (RuntimeError, MemoryError) as error:
        if "allocate memory" not in str(error):
            raise
        raise UserError(f"model.name={name}: there is too little memory for a network of such size") from None


def made(input_shape: tuple[int, ...], outputs: int, name: str, **options: Any) -> nn.Module:
    """The network, as long as there is memory for it."""
    if name != "target":
        return BUILDERS[name](input_shape, outputs, **options)
    kind = subclass("model.target", options["target"], nn.Module)
    try:
        return kind(input_shape=input_shape, outputs=outputs, **options["args"])
    except TypeError as error:
        raise UserError(f"model.target={options['target']}: {error}; check model.args") from None


def parameters(network: nn.Module) -> int:
    """How many numbers are learned; scikit-learn's models, which have no parameters, keep theirs in buffers."""
    learned = [*network.parameters()]
    return sum(p.numel() for p in learned if p.requires_grad) if learned else sum(b.numel() for b in network.buffers())
