"""Section `pretrained`: the weights that the network, except its head, starts from."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Name

TORCHVISION = "torchvision:"
"""Prefix of a source that is a torchvision network."""
STORED = ("models:/", "runs:/")
"""Prefixes of a model in the tracking store."""


@dataclass(frozen=True, config=STRICT)
class Pretrained:
    source: Name | None
    """Where the weights come from: `torchvision:NAME`, such as torchvision:resnet18; a model folder of this project;
    models:/NAME/VERSION or runs:/RUN, a model in the tracking store; or a path or URL of a .safetensors, .pth or .pt
    file. null: the network is randomly initialised."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    """Checksum of the file; required for a path, a URL or a model, null for torchvision's weights."""

    def __post_init__(self) -> None:
        """Check that a checksum belongs to a file."""
        if self.source is None and self.sha256:
            raise ValueError("sha256 is set, but source is null; set source, or set sha256 to null")
        if self.source is not None and self.source.startswith(STORED[0]) and "@" in self.source:
            raise ValueError(
                f"source={self.source}: an alias moves, and a build must be repeatable; give the version, such as "
                "models:/digits/3 (`sprout ui` shows which one has the alias)"
            )
        if self.source is not None and self.source.startswith(TORCHVISION) and self.sha256:
            raise ValueError("sha256 is set, but torchvision checks its own weights; set sha256 to null")
