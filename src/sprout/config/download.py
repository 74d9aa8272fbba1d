"""Section `download`: where the data comes from. The key `source` selects one of these classes.

The source `x` is implemented in `data/sources/x.py`.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, ClassPath, Name, Seed
from sprout.config.formats import Format, Paths


@dataclass(frozen=True, config=STRICT)
class Local:
    source: Literal["local"]
    """Your own files, imported to `data/source/` by `sprout new`."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    """The folder in `data/source/`."""
    format: Format
    """The format of the files; a single archive is unpacked."""


@dataclass(frozen=True, config=STRICT)
class Url:
    source: Literal["url"]
    """One file or archive at a URL: http, https, file, or a protocol of fsspec (s3, gs, ssh)."""
    urls: Annotated[tuple[Name, ...], Field(min_length=1)]
    """URLs of the same file; if one fails, the next is tried."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    """The file's checksum; null records that of the first download, and later downloads must match it."""
    file: Annotated[str, Field(pattern=r"^[^/\\\x00]+$")] | None
    """The file's name on disk; null takes the name in the first URL."""
    format: Format
    """The format of the data; an archive is unpacked."""


ARCHIVE, PARQUET = (".tar",), (".parquet", ".pq")
"""Endings of names of objects."""


@dataclass(frozen=True, config=STRICT)
class S3:
    source: Literal["s3"]
    """The archives of a WebDataset, or Parquet files with images in them, in an object store. They stay there: the
    stage download writes a list of them, and the stage prepare reads their images by ranges."""
    url: Annotated[str, Field(pattern=r"^s3://[^/]+(/.*)?$")]
    """s3://BUCKET/PREFIX. Endpoint and credentials are those of the variables and files of AWS."""
    format: Paths
    """The columns. `file` names the objects under the prefix: `*.parquet`, or `*/*.parquet` for those in folders; or
    archives, uncompressed: `*.tar`. `path` is the column of images; of archives, `image`."""

    def __post_init__(self) -> None:
        """Check that the images are in archives or tables."""
        files = (self.format.file,) if isinstance(self.format.file, str) else self.format.file
        archives = files[0].lower().endswith(ARCHIVE)
        if other := [file for file in files if not file.lower().endswith(ARCHIVE if archives else PARQUET)]:
            raise ValueError(
                f"format.file={other[0]}: accepted: names of uncompressed archives, such as *.tar, or of Parquet "
                "files, such as *.parquet; not of both"
            )
        if archives and self.format.path != "image":
            raise ValueError(f"format.path={self.format.path}: accepted: image, as archives hold their images")
        if self.format.unlisted != "ignored":
            raise ValueError(f"format.unlisted={self.format.unlisted}: accepted: ignored, as all images are listed")


@dataclass(frozen=True, config=STRICT)
class Torchvision:
    source: Literal["torchvision"]
    """A torchvision data set; torchvision knows the official files, their checksums and their format."""
    name: Name
    """The class in `torchvision.datasets`."""
    mirror: Name | None
    """A URL or folder with the official files; null means torchvision's URLs."""


@dataclass(frozen=True, config=STRICT)
class Sklearn:
    source: Literal["sklearn"]
    """A data set included in scikit-learn; no network is needed."""
    name: Literal["digits", "iris", "wine", "breast_cancer", "diabetes"]
    """The data set; the target of diabetes is a number."""


@dataclass(frozen=True, config=STRICT)
class Generated:
    source: Literal["generated"]
    """Synthetic data, for experiments with a known result."""
    name: Literal["line", "side_effects"]
    """line: 1,000 points of y = 2x + 1 on [1, 2]. side_effects: a drug trial of 2,100 people aged 13 to 100; 95% of
    those aged 65 and older had side effects, 95% of the younger ones had none."""
    seed: Seed
    """Seed of the order of the rows."""


@dataclass(frozen=True, config=STRICT)
class Target:
    """The class must be in a module under `src/`, because stages run with PYTHONPATH=src.

    Its file must be among the deps of the stages download and prepare in dvc.yaml, so that a change of it runs them
    again.
    """

    source: Literal["target"]
    """Your own class."""
    target: ClassPath
    """`package.Class`, a subclass of sprout.data.sources.target.DataSource. It is called with `args`."""
    args: dict[str, Any]
    """Keyword arguments."""


Download = Local | Url | S3 | Torchvision | Sklearn | Generated | Target
DOWNLOADS: dict[str, type[Download]] = {
    get_args(kind.__annotations__["source"])[0]: kind for kind in get_args(Download)
}
"""Source → its class."""
