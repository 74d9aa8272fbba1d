"""One file from the first of several addresses that has it: complete and verified, or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from functools import partial as bound
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sprout.data.manifest import checksums
from sprout.data.sources import http
from sprout.data.sources.http import CHUNK, FailedError, append, forget
from sprout.runtime.disk import DiskError
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import atomic_write
from sprout.runtime.secrets import hidden

ALGORITHMS = {"sha256": "SHA-256", "md5": "MD5"}
"""Checksums, and their names in messages."""


class UnreachableError(UserError):
    """No address gives the file."""


def fetch_file(
    what: str,
    urls: Sequence[str],
    path: Path,
    *,
    partial: Path,
    checksum: str | None,
    algorithm: str = "sha256",
    advice: str,
) -> str:
    """Download a file to `path`.

    Args:
        what: its name in a message.
        urls: addresses or paths of the same file; if one fails, the next is tried.
        path: the destination, in an existing folder.
        partial: a folder for incomplete downloads, which are resumed.
        checksum: its beginning or all of it, in lower-case hexadecimal; None accepts any file.
        algorithm: of the checksum, one of `ALGORITHMS`.
        advice: what to do if no address gives the file.

    Returns:
        the checksum of the file.

    Raises:
        UnreachableError: no address gives the file; the message names each with its fault.
    """
    partial.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        part = partial / f"{key(url, algorithm, checksum)}.part"
        try:
            found = fetch_checked(url, part, path.name, algorithm, checksum)
        except FailedError as failure:
            failures.append(f"{hidden(url)}: {failure}")
            continue
        with atomic_write(path) as beside:
            shutil.move(part, beside)
        for each in urls:
            forget(partial / f"{key(each, algorithm, checksum)}.part")
        return found
    raise UnreachableError(f"{what} cannot be downloaded from {'; '.join(failures)}; {advice}")


def fetch_checked(url: str, part: Path, name: str, algorithm: str, checksum: str | None) -> str:
    """Download a file to `part` and return its checksum.

    Raises:
        FailedError: it cannot be downloaded, or is not the expected file.
    """
    for _ in range(2):
        resumed = False
        if url.lower().startswith(("http://", "https://")):
            resumed = http.fetch(url, part, name=name, checked=checksum is not None)
        else:
            copy(url, part, name)
        (found,) = checksums([part], algorithm)
        if checksum is None or found.startswith(checksum):
            return found
        forget(part)
        # Bytes of an earlier request may be of another file: only a complete download is final.
        if not resumed:
            break
    raise FailedError(f"expected {ALGORITHMS[algorithm]} {checksum}, found {found[: len(checksum or '')]}")


def key(url: str, algorithm: str, checksum: str | None) -> str:
    """Return the name of a partial download: another one for each address, less its secrets, and expected file."""
    return hashlib.sha256(json.dumps([hidden(url), algorithm, checksum]).encode()).hexdigest()[:16]


def copy(url: str, part: Path, name: str) -> None:
    """Copy a file to `part` from a disk, or from what fsspec reads (s3, gs, ssh); progress calls it `name`.

    Raises:
        FailedError: it cannot be read.
    """
    import fsspec  # type: ignore[import-untyped]

    forget(part)
    try:
        path = local_path(url)
        with path.open("rb") if path else fsspec.open(url, "rb").open() as source:
            length = path.stat().st_size if path else getattr(source, "size", None)
            append(iter(bound(source.read, CHUNK), b""), part, name, length)
    except DiskError:
        raise
    except Exception as error:  # every driver has its own
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise FailedError(one_line(reason)) from None


def local_path(url: str) -> Path | None:
    """Return the path of a plain path or a `file:` URL; None for another URL.

    Raises:
        ValueError: the URL names another machine.
    """
    if not url.startswith("file:"):
        return None if "://" in url else Path(os.path.expanduser(url))
    split = urlsplit(url)
    if split.netloc not in ("", "localhost"):
        raise ValueError(f"a file: URL of another machine, {split.netloc}")
    return Path(url2pathname(split.path))
