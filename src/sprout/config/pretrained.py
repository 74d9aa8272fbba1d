"""Section `pretrained`: weights that the network starts from, all but its head's."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Name


@dataclass(frozen=True, config=STRICT)
class Pretrained:
    source: Name | None
    """Where the weights come from: `torchvision:NAME`, such as torchvision:resnet18; a model folder of this project; or
    a path or URL of a .safetensors, .pth or .pt file. null: the network starts from chance."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    """The checksum of the file, by which the weights are known; torchvision knows those of its own."""

    def __post_init__(self) -> None:
        """A checksum is that of a file."""
        if self.source is None and self.sha256:
            raise ValueError("sha256 is set, and source is null: there is no file that it is about; set source")
        if self.source is not None and self.source.startswith("torchvision:") and self.sha256:
            raise ValueError("sha256 is set, and torchvision checks its own weights; set it to null")
