"""A file from a disk, or over what fsspec knows (s3, gs, ssh, …): copied, always from the start."""

import math
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sprout.data.sources.part import FailedError, forget, size
from sprout.runtime.errors import one_line
from sprout.runtime.progress import track

CHUNK = 2**20
"""Bytes that are copied at once, and counted as one step: 1 MiB."""


def copy(url: str, part: Path, *, name: str) -> None:
    """Copy the file at a path or URL to `part`; progress calls it `name`.

    Raises:
        FailedError: it cannot be read.
    """
    forget(part)
    source, length = opened(url)
    with source, part.open("wb") as file:
        steps = pieces(source)
        for piece in steps if length is None else track(steps, f"download {name} (MiB)", math.ceil(length / CHUNK)):
            file.write(piece)
    if length not in (None, size(part)):
        raise FailedError(f"{size(part)} of {length} bytes came")


def opened(url: str) -> tuple[IO[bytes], int | None]:
    """Open a file for reading; its bytes are counted where that can be known.

    Raises:
        FailedError: there is no such file, or no driver for it.
    """
    try:
        path = local_path(url)
        if path is None:
            return opened_by_driver(url)
        if path.exists() and not path.is_file():
            raise FailedError("not a file")
        return path.open("rb"), path.stat().st_size
    except (OSError, ValueError) as error:
        raise FailedError(reason(error)) from None


def local_path(url: str) -> Path | None:
    """The path that a plain path or a `file:` URL means; None for another URL.

    Raises:
        FailedError: the URL names another machine.
    """
    if not url.startswith("file:"):
        return None if "://" in url else Path(os.path.expanduser(url))
    split = urlsplit(url)
    if split.netloc not in ("", "localhost"):
        raise FailedError(f"a file: URL is of this machine, not of {split.netloc}")
    return Path(url2pathname(split.path))


def opened_by_driver(url: str) -> tuple[IO[bytes], int | None]:
    """Open a file over fsspec.

    Raises:
        FailedError: fsspec's own words, which name the package that is missing.
    """
    import fsspec  # type: ignore[import-untyped]

    try:
        source: Any = fsspec.open(url, "rb").open()
    except ImportError as error:
        raise FailedError(f"{error}{package(url)}") from None
    except Exception as error:  # each driver has its own
        raise FailedError(reason(error)) from None
    return source, getattr(source, "size", None)


def package(url: str) -> str:
    """How to install the driver, where it is a package of its own and not one that fsspec brings."""
    from fsspec.registry import known_implementations  # type: ignore[import-untyped]

    known = known_implementations.get(url.split("://")[0], {})
    top = known.get("class", "fsspec").split(".")[0]
    return "" if top == "fsspec" else f" (pip install {top})"


def pieces(source: IO[bytes]) -> Iterator[bytes]:
    """The bytes of an open file.

    Raises:
        FailedError: it cannot be read to its end.
    """
    try:
        yield from iter(partial(source.read, CHUNK), b"")
    except Exception as error:  # each driver has its own
        raise FailedError(reason(error)) from None


def reason(error: Exception) -> str:
    """An error in one line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
    return one_line(said)
