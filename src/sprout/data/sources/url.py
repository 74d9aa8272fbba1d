"""Source `url`: one file or archive from an address."""

import os
import re
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from sprout.config.download import Url
from sprout.data.formats import read_files
from sprout.data.listing import Listing
from sprout.data.manifest import MANIFEST
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write, read_json, write_json

RECORD = "checksums.json"
"""In the folder of partial downloads: URL → SHA-256 of the first download."""
MAX_NAME = 200
"""Bytes of a file name; file systems allow 255, and a download in progress has a suffix."""


def fetch(settings: Url, folder: Path, partial: Path) -> None:
    """Download the file; without `sha256`, it must be the one that the first download gave.

    Raises:
        UserError: it cannot be downloaded, or is not the expected one.
    """
    # Not needed to read the files: requests takes 0.1 s to import.
    from sprout.data.sources.transfer import fetch_file, redact

    name = settings.file or file_name(settings.urls[0])
    if name in ("", ".", "..", MANIFEST) or len(os.fsencode(name)) > MAX_NAME:
        raise UserError(
            f"download.file={settings.file or 'null'}: {redact(settings.urls[0])} would be saved as {name!r}; "
            "set download.file to another name"
        )
    record = partial / RECORD
    recorded = read_json(record) if record.is_file() else {}
    expected = settings.sha256 or next((recorded[url] for url in map(redact, settings.urls) if url in recorded), None)
    advice = "set download.urls to where the file is"
    if settings.sha256:
        advice += ", or download.sha256 to the checksum of the right one"
    elif expected:
        advice = f"the checksum is that of the first download ({record}); set download.sha256 to the right one"
    found = fetch_file(name, settings.urls, folder / name, partial=partial, checksum=expected, advice=advice)
    with atomic_write(record) as path:
        write_json(path, recorded | {redact(url): found for url in settings.urls})
    if settings.sha256 is None:
        print(f"{name}: SHA-256 {found}; download.sha256={found} makes later downloads verify it", file=sys.stderr)


def read(settings: Url, folder: Path, scratch: Path) -> Listing:
    """List the examples, in the format of the settings."""
    return read_files(folder, scratch, settings.format)


def file_name(url: str) -> str:
    """Return the last component of a URL's path, as a valid file name."""
    if "://" not in url:
        return Path(url).name
    path = PurePosixPath(re.sub(r"^[^:/]+://[^/?#]*|[?#].*$", "", url))
    return re.sub(r"[/\\\x00-\x1f]", "_", unquote(path.name))
