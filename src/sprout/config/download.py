"""Section `download`: where the data comes from. Its key `source` says which of these it is."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Name, Seed
from sprout.config.formats import Form


@dataclass(frozen=True, config=STRICT)
class Local:
    source: Literal["local"]
    """Files of your own, brought to `data/source/` by `sprout new`."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    """The folder in `data/source/`."""
    form: Form
    """In which form they lie there; a single archive is unpacked."""


@dataclass(frozen=True, config=STRICT)
class Url:
    source: Literal["url"]
    """One file or archive from an address: http, https, file, or what fsspec knows (s3, gs, ssh)."""
    urls: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Addresses that all hold the same file; the next one is tried where one fails."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    """The file's checksum; null records the one that is found first and holds later fetches against it."""
    file: Annotated[str, Field(pattern=r"^[^/\\\x00]+$")] | None
    """The file's name here; null takes the first address's."""
    form: Form
    """In which form the data lies; an archive is unpacked."""


@dataclass(frozen=True, config=STRICT)
class Torchvision:
    source: Literal["torchvision"]
    """A data set of torchvision, which lists its official files with their checksums and reads them."""
    name: Name
    """The class in `torchvision.datasets`."""
    mirror: Name | None
    """A URL or a folder to fetch the official files from instead; null means torchvision's own addresses."""


@dataclass(frozen=True, config=STRICT)
class Sklearn:
    source: Literal["sklearn"]
    """A set that comes with scikit-learn; no network is needed."""
    name: Literal["digits", "iris", "wine", "breast_cancer", "diabetes"]
    """The set; the target of diabetes is a number."""


@dataclass(frozen=True, config=STRICT)
class Generated:
    source: Literal["generated"]
    """Made data, for experiments whose answer is known."""
    name: Literal["line", "side_effects"]
    """line: 1,000 points of y = 2x + 1 on [1, 2]. side_effects: a drug trial of 2,100 people aged 13 to 100; 95% of
    those of 65 and older had side effects, 95% of the younger none."""
    seed: Seed
    """Seed of the order of the rows."""


DOWNLOADS = {"local": Local, "url": Url, "torchvision": Torchvision, "sklearn": Sklearn, "generated": Generated}
