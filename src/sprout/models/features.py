"""The features that a network computes: what comes before its last dense layer, the head."""

from copy import deepcopy

from torch import Tensor, nn
from torch.nn import functional

from sprout.runtime.errors import UserError


def features(network: nn.Module | None, *, unit_length: bool) -> nn.Sequential:
    """Build what makes the features of an example: (N, C, H, W) or (N, F) → (N, D).

    Args:
        network: see `without_head`; None for the flattened example itself.
        unit_length: whether the features of each example are scaled to length 1.
    """
    embedding = nn.Sequential(nn.Flatten()) if network is None else without_head(network)
    return embedding.append(UnitLength()) if unit_length else embedding


def without_head(network: nn.Module) -> nn.Sequential:
    """Copy the part of a network that makes its features: (N, C, H, W) or (N, F) → (N, D).

    This is the `encoder` of a network that has one, such as an autoencoder, which is not copied; of any other, all that
    comes before the last dense layer.

    Raises:
        UserError: the network has neither.
    """
    encoder = getattr(network, "encoder", None)
    if isinstance(encoder, nn.Module):
        return nn.Sequential(encoder, nn.Flatten())
    head = last_dense(network)
    if head is None:
        raise UserError(
            "model: the network has neither an encoder nor a dense layer at its end, before which its features lie; "
            "choose another one"
        )
    headless = deepcopy(network)
    headless.set_submodule(head, nn.Identity())
    return nn.Sequential(headless, nn.Flatten())


def last_dense(network: nn.Module) -> str | None:
    """The name of the last dense layer; None where there is none."""
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return names[-1] if names else None


class UnitLength(nn.Module):
    """Scales vectors to length 1, so that their distance depends on their cosine similarity alone."""

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, D) → (N, D), rows of length 1; zeros stay."""
        return functional.normalize(vectors, dim=1)
