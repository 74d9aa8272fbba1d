"""Section `pretrained`: weights that the network starts from, all but its head's."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.core.fields import STRICT, Count, Name, Positive


@dataclass(frozen=True, config=STRICT)
class Unfreeze:
    epochs: Annotated[tuple[Count, ...], Field(min_length=1)]
    """From the start only the head learns; at each of these epochs, counted from 0, the next part of the rest joins it,
    deepest first (Howard and Ruder, 2018). There are as many parts as epochs."""
    rates: tuple[Annotated[Positive, Field(le=1)], ...]
    """Each part's share of the learning rate."""

    def __post_init__(self) -> None:
        """A rate for each part, which join one after another."""
        if len(self.rates) != len(self.epochs) or sorted(set(self.epochs)) != list(self.epochs):
            raise ValueError(
                f"epochs={list(self.epochs)} with rates={list(self.rates)}: the epochs rise, and each has a rate"
            )


@dataclass(frozen=True, config=STRICT)
class Pretrained:
    source: Name | None
    """Where the weights come from: `torchvision:NAME`, such as torchvision:resnet18; a model folder of this project; or
    a path or URL of a .safetensors, .pth or .pt file. null: the network starts from chance."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    """The checksum of the file, by which the weights are known; torchvision knows those of its own."""
    unfreeze: Unfreeze | None
    """null: everything learns from the start, at the full rate."""

    def __post_init__(self) -> None:
        """Without weights there is nothing to check or to freeze."""
        for key in ("sha256", "unfreeze"):
            if self.source is None and getattr(self, key) is not None:
                raise ValueError(f"{key} is set, and source is null: there are no weights that it is about; set source")
        if self.source is not None and self.source.startswith("torchvision:") and self.sha256:
            raise ValueError("sha256 is set, and torchvision checks its own weights; set it to null")
