"""One file or archive from an address."""

import os
import re
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from sprout.data.sources.manifest import MANIFEST
from sprout.data.sources.transfer import bring, shown
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write, read_json, write_json

RECORD = "checksums.json"
LONGEST = 200
"""Bytes of a name: file systems have room for 255, and something is put behind it while it is fetched."""


def fetch(folder: Path, parts: Path, *, urls: list[str], sha256: str | None, file: str | None) -> None:
    """Bring the file to `folder`.

    Args:
        folder: where to.
        parts: a folder for what has come so far; its `checksums.json` holds what each URL gave.
        urls: addresses that all hold the same file; the next one is tried where one fails.
        sha256: its checksum; None expects what the first of these URLs gave that was ever fetched, if any.
        file: its name here; None takes the first address's.

    Raises:
        UserError: it cannot be had, or it is not the one that is expected.
    """
    name = file_name(urls[0]) if file is None else file
    if name in ("", ".", "..", MANIFEST) or len(os.fsencode(name)) > LONGEST:
        given = "null" if file is None else file
        raise UserError(
            f"download.file={given}: {urls[0]} would be saved as {name!r}; set download.file to another name"
        )
    record = parts / RECORD
    known = read_json(record) if record.is_file() else {}
    expected = sha256 or next((known[url] for url in map(shown, urls) if url in known), None)
    if sha256:
        advice = "set download.urls to where the file is, or download.sha256 to the checksum of the right one"
    elif expected:
        advice = f"the expected one is of the first fetch ({record}); set download.sha256 to the right one"
    else:
        advice = "set download.urls to where the file is"
    found = bring(name, urls, folder / name, parts=parts, digest=expected, advice=advice)
    with atomic_write(record) as path:
        write_json(path, known | {shown(url): found for url in urls})
    if sha256 is None:
        print(f"{name}: SHA-256 {found}; hold later fetches to it with download.sha256={found}", file=sys.stderr)


def file_name(url: str) -> str:
    """The last part of a URL's path, as a name that a file can have."""
    if "://" not in url:
        return Path(url).name
    path = PurePosixPath(re.sub(r"^[^:/]+://[^/?#]*|[?#].*$", "", url))
    return re.sub(r"[/\\\x00-\x1f]", "_", unquote(path.name))
