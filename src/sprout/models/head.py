"""Where a network's answer is made."""

from torch import nn


def last_dense(network: nn.Module) -> str | None:
    """The name of the last dense layer, which gives what is learned; None where there is none."""
    names: list[str] = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return names[-1] if names else None
