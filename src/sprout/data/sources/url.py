"""Source `url`: one file or archive from an address."""

import os
import re
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from sprout.config.download import Url
from sprout.config.formats import Format
from sprout.data.formats import read_files
from sprout.data.formats.archive import is_packed, unpack
from sprout.data.listing import Listing
from sprout.data.manifest import MANIFEST
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write, read_json, scratch_folder, write_json
from sprout.runtime.secrets import hidden

RECORD = "checksums.json"
"""In the folder of partial downloads: URL, without its secrets → SHA-256 of the first download."""
PAGE = (b"<!doctype html", b"<html", b"<?xml")
"""How pages of the web begin, in lower case."""
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".txz", ".tbz2")
MAX_NAME = 200
"""Bytes of a file name; file systems allow 255, and a download in progress has a suffix."""


def fetch(settings: Url, folder: Path, partial: Path) -> None:
    """Download the file; without `sha256`, it must be the one that the first download gave.

    Raises:
        UserError: it cannot be downloaded, or is not the expected one.
    """
    # Not needed to read the files: requests takes 0.1 s to import.
    from sprout.data.sources.transfer import fetch_file

    name = settings.file or file_name(settings.urls[0])
    if name in ("", ".", "..", MANIFEST) or len(os.fsencode(name)) > MAX_NAME:
        raise UserError(
            f"download.file={settings.file or 'null'}: {hidden(settings.urls[0])} would be saved as {name!r}; "
            "set download.file to another name"
        )
    if hidden(name) != name:
        raise UserError(
            f"download.file=null: the file's name would be from an environment variable, {hidden(name)}; set "
            "download.file to a name"
        )
    record = partial / RECORD
    recorded = read_json(record) if record.is_file() else {}
    expected = settings.sha256 or next((recorded[url] for url in map(hidden, settings.urls) if url in recorded), None)
    advice = "set download.urls to where the file is"
    if settings.sha256:
        advice += ", or download.sha256 to the checksum of the right one"
    elif expected:
        advice = f"the checksum is that of the first download ({record}); set download.sha256 to the right one"
    found = fetch_file(name, settings.urls, folder / name, partial=partial, checksum=expected, advice=advice)
    if expected is None:
        check_first(folder / name, hidden(settings.urls[0]), settings.format, partial)
    with atomic_write(record) as path:
        write_json(path, recorded | {hidden(url): found for url in settings.urls})
    if settings.sha256 is None:
        print(f"{name}: SHA-256 {found}; download.sha256={found} makes later downloads verify it", file=sys.stderr)


def check_first(path: Path, url: str, settings: Format, partial: Path) -> None:
    """Check a file whose checksum nobody has given, before it is kept for later downloads.

    An archive is unpacked, as a server may answer with a page of its own, such as one to log in.

    Args:
        path: the file.
        url: for messages.
        settings: the format.
        partial: a folder for temporary files.

    Raises:
        UserError: it is a page of the web, or an archive that cannot be unpacked, or none where one is needed.
    """
    remedy = "nothing is kept of it; open the address in a browser, and set download.urls to the file itself"
    if is_packed(path):
        try:
            with scratch_folder(partial / "unpacked") as scratch:
                unpack(path, scratch / "files")
        except UserError as error:
            raise UserError(f"{str(error).replace(os.fspath(path), url)}; {remedy}") from None
        return
    with path.open("rb") as file:
        beginning = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if beginning.startswith(PAGE) and not path.name.lower().endswith((".htm", ".html")):
        raise UserError(f"{url}: the server has sent a web page, as to log in, in place of {path.name}; {remedy}")
    if settings.kind == "folders" or path.name.lower().endswith(ARCHIVES):
        raise UserError(f"{url}: not an archive; accepted: zip, or tar, plain or compressed; {remedy}")


def read(settings: Url, folder: Path, scratch: Path) -> Listing:
    """List the examples, in the format of the settings."""
    return read_files(folder, scratch, settings.format)


def file_name(url: str) -> str:
    """Return the last component of a URL's path, as a valid file name."""
    if "://" not in url:
        return Path(url).name
    path = PurePosixPath(re.sub(r"^[^:/]+://[^/?#]*|[?#].*$", "", url))
    return re.sub(r"[/\\\x00-\x1f]", "_", unquote(path.name))
