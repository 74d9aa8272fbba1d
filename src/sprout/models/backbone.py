"""A network of torchvision with a new head."""

from torch import Tensor, nn
from torch.nn import functional

from sprout.config.model import Backbone as BackboneConfig
from sprout.config.validate import close
from sprout.models.features import last_dense
from sprout.runtime.errors import UserError

COLOURS = 3
WITHOUT_AUX = {"aux_logits": False, "init_weights": False, "transform_input": True}
"""With auxiliary logits the network would give a second output in training. `transform_input` is what torchvision sets
with its weights: they expect images scaled another way."""
OPTIONS: dict[str, dict[str, bool]] = {"googlenet": WITHOUT_AUX, "inception_v3": WITHOUT_AUX}


class Backbone(nn.Module):
    """Resizes grey or colour images to what the network takes, and classifies them."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, config: BackboneConfig) -> None:
        """Build the network, randomly initialised.

        Raises:
            UserError: the examples are not images, torchvision has no such network, or it takes images of another size.
        """
        super().__init__()
        if len(input_shape) != 3 or input_shape[0] not in (1, COLOURS):
            raise UserError("model.name=backbone: takes grey or colour images")
        self.side = config.side
        self.network = replace_head(torchvision_network(config.architecture), outputs)
        check_size(config.architecture, self.network, (self.side, self.side) if self.side else input_shape[1:])

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → (N, outputs)."""
        if images.shape[1] == 1:
            images = images.expand(-1, COLOURS, -1, -1)
        if self.side is not None and tuple(images.shape[2:]) != (self.side, self.side):
            images = functional.interpolate(images, (self.side, self.side), mode="bilinear", antialias=True)
        outputs: Tensor = self.network(images)
        return outputs


def torchvision_network(architecture: str) -> nn.Module:
    """Build a network of torchvision by its name, randomly initialised.

    Raises:
        UserError: there is none of this name.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if architecture not in known:
        near = close(architecture, known)
        raise UserError(f"model.architecture={architecture}: unknown{near}; accepted: {', '.join(known)}")
    network: nn.Module = models.get_model(architecture, weights=None, **OPTIONS.get(architecture, {}))
    return network


def replace_head(network: nn.Module, outputs: int) -> nn.Module:
    """Replace the last dense layer, in place, by a new one with this number of outputs; return the network.

    Raises:
        UserError: there is no dense layer.
    """
    name = last_dense(network)
    if name is None:
        raise UserError("model.architecture: has no dense layer at its end to be replaced; take another one")
    head = network.get_submodule(name)
    assert isinstance(head, nn.Linear)
    network.set_submodule(name, nn.Linear(head.in_features, outputs))
    return network


def check_size(architecture: str, network: nn.Module, size: tuple[int, ...]) -> None:
    """Check the images' height and width against a vision transformer's, whose position embeddings fit one size.

    Raises:
        UserError: the images come in another one.
    """
    known = getattr(network, "image_size", None)
    if known is not None and size != (known, known):
        raise UserError(
            f"model.architecture={architecture}: takes images of {known}×{known} pixels, and they come with "
            f"{'×'.join(map(str, size))}; set model.side={known}"
        )
