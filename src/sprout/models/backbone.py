"""A network of torchvision, with a head of one's own."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from sprout.config.validate import close
from sprout.models.features import last_dense
from sprout.runtime.errors import UserError

COLOURS = 3
WITHOUT_AUX = {"aux_logits": False, "init_weights": False, "transform_input": True}
"""Else they give a second output in training. Their weights know images that the network itself scales anew."""
OPTIONS: dict[str, dict[str, Any]] = {"googlenet": WITHOUT_AUX, "inception_v3": WITHOUT_AUX}


class Backbone(nn.Module):
    """Colour or grey images of any size, brought to what the network knows."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, *, architecture: str, side: int | None) -> None:
        """Build the network from chance.

        Raises:
            UserError: the examples are no images, or torchvision has no such network, or one for another size.
        """
        super().__init__()
        if len(input_shape) != 3 or input_shape[0] not in (1, COLOURS):
            raise UserError("model.name=backbone: takes grey or colour images")
        self.side = side
        self.network = with_head(torchvision_network(architecture), outputs)
        check_size(architecture, self.network, (side, side) if side else input_shape[1:])

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, outputs)."""
        if images.shape[1] == 1:
            images = images.expand(-1, COLOURS, -1, -1)
        if self.side is not None and tuple(images.shape[2:]) != (self.side, self.side):
            images = functional.interpolate(images, (self.side, self.side), mode="bilinear", antialias=True)
        found: Tensor = self.network(images)
        return found


def torchvision_network(architecture: str) -> nn.Module:
    """A network of torchvision by its name, with weights drawn anew."""
    from torchvision import models

    known = models.list_models(module=models)
    if architecture not in known:
        near = close(architecture, known)
        raise UserError(f"model.architecture={architecture}: unknown{near}; accepted: {', '.join(known)}")
    network: nn.Module = models.get_model(architecture, weights=None, **OPTIONS.get(architecture, {}))
    return network


def with_head(network: nn.Module, outputs: int) -> nn.Module:
    """The network, its last dense layer replaced by one with so many outputs."""
    name = last_dense(network)
    if name is None:
        raise UserError("model.architecture: has no dense layer at its end to be replaced; take another one")
    head = network.get_submodule(name)
    assert isinstance(head, nn.Linear)
    network.set_submodule(name, nn.Linear(head.in_features, outputs))
    return network


def check_size(architecture: str, network: nn.Module, size: tuple[int, ...]) -> None:
    """A vision transformer has positions for one size of images.

    Raises:
        UserError: they come in another one.
    """
    known = getattr(network, "image_size", None)
    if known is not None and size != (known, known):
        raise UserError(
            f"model.architecture={architecture}: takes images of {known}×{known} pixels, and they come with "
            f"{'×'.join(map(str, size))}; set model.side={known}"
        )
