"""Which parts of a network learn, and how fast, in each epoch."""

from torch import nn


class Unfreezing:
    """All of it, all the time."""

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        self.parts = [list(network.parameters())]

    def enter(self, epoch: int) -> bool:
        """Prepare an epoch; whether other parameters learn than before."""
        return False

    def rates(self, epoch: int) -> list[float]:
        """Each part's share of the learning rate."""
        return [1.0]
