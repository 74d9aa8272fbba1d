"""What a trained network has learned to see: its features, without its answer."""

from copy import deepcopy

from torch import nn

from sprout.core.errors import UserError


def without_head(network: nn.Module) -> nn.Sequential:
    """The part of a network that makes its features: (N, C, H, W) or (N, F) → (N, D).

    Of a network with an `encoder`, such as an autoencoder, that is the encoder; of any other all that comes before its
    last dense layer.

    Raises:
        UserError: it has neither.
    """
    encoder = getattr(network, "encoder", None)
    if isinstance(encoder, nn.Module):
        return nn.Sequential(encoder, nn.Flatten())
    dense = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not dense:
        raise UserError(
            "model.features=network: the pretrained network has neither an encoder nor a dense layer at its end; "
            "choose another network, or model.features=raw"
        )
    cut = deepcopy(network)
    cut.set_submodule(dense[-1], nn.Identity())
    return nn.Sequential(cut, nn.Flatten())
