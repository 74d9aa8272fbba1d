"""Where a network's answer is made."""

from copy import deepcopy

from torch import Tensor, nn
from torch.nn import functional

from sprout.runtime.errors import UserError


def last_dense(network: nn.Module) -> str | None:
    """The name of the last dense layer, which gives what is learned; None where there is none."""
    names: list[str] = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return names[-1] if names else None


class UnitLength(nn.Module):
    """Vectors whose direction alone counts, as cosine similarity has it."""

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, D) → (N, D), rows of length 1; zeros stay."""
        return functional.normalize(vectors, dim=1)


def features(network: nn.Module | None, *, unit_length: bool) -> nn.Sequential:
    """What makes the features of an example: (N, C, H, W) or (N, F) → (N, D).

    Args:
        network: see `without_head`; None where the example is compared as it is.
        unit_length: whether features are brought to length 1.
    """
    made = nn.Sequential(nn.Flatten()) if network is None else without_head(network)
    return made.append(UnitLength()) if unit_length else made


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
    dense = last_dense(network)
    if dense is None:
        raise UserError(
            "model: the network has neither an encoder nor a dense layer at its end, before which its features lie; "
            "choose another one"
        )
    cut = deepcopy(network)
    cut.set_submodule(dense, nn.Identity())
    return nn.Sequential(cut, nn.Flatten())
