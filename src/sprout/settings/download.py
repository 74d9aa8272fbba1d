"""Section `download`: where the data comes from. Its key `source` says which of these it is."""

from typing import Literal

from pydantic.dataclasses import dataclass

from sprout.core.fields import STRICT, Name


@dataclass(frozen=True, config=STRICT)
class Digits:
    source: Literal["digits"]
    """The 1,797 handwritten digits (8×8, grey) that come with scikit-learn; no network is needed."""


@dataclass(frozen=True, config=STRICT)
class Torchvision:
    source: Literal["torchvision"]
    """A data set of torchvision, which lists its official files with their MD5 sums, unpacks and reads them;
    sprout fetches and checks them."""
    name: Literal["MNIST", "FashionMNIST", "KMNIST"]
    """The class in `torchvision.datasets`."""
    mirror: Name | None
    """A URL or a folder to fetch the official files from instead; null means torchvision's own addresses."""


DOWNLOADS = {"digits": Digits, "torchvision": Torchvision}
