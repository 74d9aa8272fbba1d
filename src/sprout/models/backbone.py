"""A network of torchvision, with a head of one's own."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from sprout.core.errors import UserError
from sprout.core.validate import close

COLOURS = 3


class Backbone(nn.Module):
    """Colour or grey images of any size, brought to what the network knows."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, *, architecture: str, side: int | None) -> None:
        """Build the network from chance.

        Raises:
            UserError: the examples are no images, or torchvision has no such network.
        """
        super().__init__()
        if len(input_shape) != 3 or input_shape[0] not in (1, COLOURS):
            raise UserError("model.name=backbone: takes grey or colour images")
        self.side = side
        self.network = with_head(torchvision_network(architecture), outputs)

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
    # Without this, GoogLeNet and Inception warn, and give a second output in training.
    options: dict[str, Any] = {"googlenet": {"aux_logits": False, "init_weights": False}}.get(architecture, {})
    network: nn.Module = models.get_model(architecture, weights=None, **options)
    return network


def with_head(network: nn.Module, outputs: int) -> nn.Module:
    """The network, its last dense layer replaced by one with so many outputs."""
    name = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1:]
    if not name:
        raise UserError("model.architecture: has no dense layer at its end to be replaced; take another one")
    head = network.get_submodule(name[0])
    assert isinstance(head, nn.Linear)
    network.set_submodule(name[0], nn.Linear(head.in_features, outputs))
    return network
