"""One file, from the first of several addresses that has it: whole and right, or not at all."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from sprout.data.sources import copying, http
from sprout.data.sources.manifest import checksums
from sprout.data.sources.part import FailedError, forget
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write

ALGORITHMS = {"sha256": "SHA-256", "md5": "MD5"}
"""Checksums, and what people call them."""


def bring(
    what: str,
    urls: Sequence[str],
    path: Path,
    *,
    parts: Path,
    digest: str | None,
    algorithm: str = "sha256",
    advice: str,
) -> str:
    """Bring a file to `path`.

    Args:
        what: what it is called in a message.
        urls: addresses or plain paths that all hold the same file; the next one is tried where one fails.
        path: where it goes to, in a folder that exists.
        parts: a folder for what has come so far; a killed attempt goes on from there.
        digest: its checksum, in lower-case hexadecimal; None accepts what comes.
        algorithm: of the checksum, one of `ALGORITHMS`.
        advice: what to do where it cannot be had.

    Returns:
        The checksum that was found.

    Raises:
        UserError: no address gives it; each is named with what was wrong.
    """
    parts.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        part = parts / f"{key(url, algorithm, digest)}.part"
        try:
            found = take(url, part, path.name, algorithm, digest)
        except FailedError as failure:
            failures.append(f"{shown(url)}: {failure}")
            continue
        with atomic_write(path) as beside:
            shutil.move(part, beside)
        for each in urls:
            forget(parts / f"{key(each, algorithm, digest)}.part")
        return found
    raise UserError(f"{what} cannot be had from {'; '.join(failures)}; {advice}")


def take(url: str, part: Path, name: str, algorithm: str, digest: str | None) -> str:
    """Bring a file to `part` and return its checksum.

    Raises:
        FailedError: it cannot be had, or it is another file than expected.
    """
    again = True
    while True:
        resumed = fill(url, part, name, checked=digest is not None)
        (found,) = checksums([part], algorithm)
        if digest in (None, found):
            return found
        forget(part)
        # What came earlier may have been of another file: that is no verdict on this one.
        if not (resumed and again):
            raise FailedError(f"expected {ALGORITHMS[algorithm]} {digest}, found {found}")
        again = False


def fill(url: str, part: Path, name: str, *, checked: bool) -> bool:
    """Bring a file to `part` over what its URL asks for; return whether some of the bytes had come earlier."""
    if url.lower().startswith(("http://", "https://")):
        return http.fetch(url, part, name=name, checked=checked)
    copying.copy(url, part, name=name)
    return False


def key(url: str, algorithm: str, digest: str | None) -> str:
    """A name for what has come from a URL, of a file that is expected to be this one."""
    return hashlib.sha256(json.dumps([url, algorithm, digest]).encode()).hexdigest()[:16]


def shown(url: str) -> str:
    """A URL as it may be printed: without the password in it."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", url)
