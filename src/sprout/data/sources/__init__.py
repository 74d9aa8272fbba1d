"""Where data comes from: a source downloads its files to `data/raw`, and lists the examples in them.

A new source `x` takes four files:

1. `data/sources/x.py` with the functions `fetch` and `read` of the class `Source`;
2. its dataclass in `config/download.py`, also added to the union `Download`;
3. `conf/download/NAME.yaml` with `source: x`;
4. its test, `tests/test_source_x.py`.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from sprout.config.download import S3, Download
from sprout.data.listing import Listing
from sprout.runtime.engine import Engine, LocalProcesses

HERE = LocalProcesses()


class Source(Protocol):
    """The module of a source; `settings` is its own dataclass."""

    def fetch(self, settings: Any, folder: Path, partial: Path, /) -> None:
        """Download the files to `folder`; see `sources.fetch`."""

    def read(self, settings: Any, folder: Path, scratch: Path, /) -> Listing:
        """List the examples of the files in `folder`; see `sources.read`."""


def fetch(settings: Download, folder: Path, partial: Path) -> None:
    """Download the files of a source.

    Args:
        settings: the source and what it downloads.
        folder: an empty folder for the files.
        partial: a folder for incomplete downloads, which are resumed.

    Raises:
        UserError: a file cannot be downloaded, or is not the expected one.
    """
    module_of(settings).fetch(settings, folder, partial)


def read(settings: Download, folder: Path, scratch: Path, engine: Engine = HERE) -> Listing:
    """List the examples of the files that `fetch` has downloaded.

    Args:
        settings: as for `fetch`.
        folder: as for `fetch`.
        scratch: an existing folder for temporary files, which the listing needs as long as it is used.
        engine: where files are read that are not on this machine.

    Raises:
        UserError: the files cannot be read.
    """
    if isinstance(settings, S3):
        from sprout.data.sources import s3

        return s3.read(settings, folder, scratch, engine)
    return module_of(settings).read(settings, folder, scratch)


def module_of(settings: Download) -> Source:
    """Import the module of a source, which has the source's name."""
    return cast(Source, import_module(f"{__name__}.{settings.source}"))
