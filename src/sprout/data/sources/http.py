"""Downloads over HTTP that resume where they broke off, and are tried again after faults that may pass.

urllib3's `Retry` counts the attempts, backs off and reads `Retry-After`. The rest of a file is asked for by `Range`, on
the condition that it is still the same file (`If-Range`, RFC 9110).
"""

import math
import re
import ssl
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import requests
from urllib3 import Retry
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError

from sprout.runtime.disk import naming
from sprout.runtime.errors import one_line
from sprout.runtime.files import atomic_write
from sprout.runtime.progress import track

TIMEOUT = 60.0
"""Seconds for a connection, and between two pieces of an answer."""
ATTEMPTS = 5
"""A download fails after this many attempts in a row that bring no new byte."""
BACKOFF = 1.0
"""Seconds; the waits before the next attempts are 0, 2, 4, 8 times this."""
MAX_WAIT = 300.0
"""Seconds that a server's `Retry-After` may ask for."""
CHUNK = 2**20
"""Bytes that count as one step of progress: 1 MiB."""
RETRIED = (408, 425, 429, *range(500, 600))
"""Statuses that may change soon."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class FailedError(Exception):
    """Why a file cannot be downloaded from an address."""


def fetch(url: str, part: Path, *, name: str, checked: bool) -> bool:
    """Download a file to `part`, resuming what is there already.

    Args:
        url: its address.
        part: the destination; its ETag or time is kept beside it.
        name: for progress.
        checked: whether a checksum will be verified. If not, only a strong ETag allows to resume.

    Returns:
        whether some of the bytes came from an earlier request.

    Raises:
        FailedError: the file cannot be downloaded.
    """
    retry = policy = Retry(ATTEMPTS - 1, backoff_factor=BACKOFF, backoff_max=MAX_WAIT)
    most = size(part)
    with requests.Session() as session:
        while True:
            try:
                return request(session, url, part, name, checked)
            except (requests.RequestException, HTTPError, ValueError) as error:  # ValueError: a malformed redirect
                reason = one_line(first_cause(error))
                if not may_pass(error):
                    raise FailedError(reason) from None
                try:
                    retry = policy if size(part) > most else retry.increment("GET", url, error=error)
                except MaxRetryError:
                    raise FailedError(reason) from None
                most = max(most, size(part))
                wait(retry, error, f"download {name}: {reason}")


def request(session: requests.Session, url: str, part: Path, name: str, checked: bool) -> bool:
    """Send a request for the file or the rest of it, and append the answer to `part`; see `fetch`.

    Raises:
        RequestException: there is no answer, or one without the file.
        HTTPError: the answer broke off, or does not fit what is there.
    """
    validator = read_validator(part)
    if not checked and not validator.startswith('"'):  # a weak ETag may stand for other bytes
        forget(part)
    offset = size(part)
    headers = {"Accept-Encoding": "identity", "User-Agent": "sprout"}
    if offset:
        headers |= {"Range": f"bytes={offset}-"} | ({"If-Range": validator} if validator else {})
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        # `read1` keeps the bytes before a failure; encodings are not undone, as the checksum is of the bytes sent.
        body = iter(partial(answer.raw.read1, CHUNK, decode_content=False), b"")
        if offset and answer.status_code == 416 and checked:
            return True  # nothing follows; the checksum decides
        if offset and answer.status_code in (206, 416):
            span = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if not span or int(span[1]) != offset or validator_of(answer) not in ("", validator):
                forget(part)
                raise HTTPError(f"HTTP {answer.status_code} for another file than before; starting again")
            append(body, part, name, int(span[2]))
            if size(part) != int(span[2]):
                raise HTTPError(f"{size(part)} of {span[2]} bytes received")
            return True
        if answer.status_code != 200:
            what = " ".join(f"HTTP {answer.status_code} {answer.reason or ''}".split())
            raise requests.HTTPError(what, response=answer)
        forget(part)
        write_validator(part, validator_of(answer))
        append(body, part, name, answer.raw.length_remaining)
        return False


def may_pass(error: Exception) -> bool:
    """Whether another attempt may succeed: the server is busy, or the connection failed."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return answer.status_code in RETRIED
    connection = isinstance(error, (requests.ConnectionError, requests.Timeout, HTTPError))
    return connection and not isinstance(first_cause(error), ssl.SSLCertVerificationError)


def wait(retry: Retry, error: Exception, why: str) -> None:
    """Wait for as long as the server asks, or else longer with each attempt; say why."""
    seconds = retry.get_backoff_time()
    answer = getattr(error, "response", None)
    if answer is not None:
        with suppress(InvalidHeader):
            seconds = min(retry.get_retry_after(answer.raw) or seconds, MAX_WAIT)
    print(f"{why}; next attempt in {seconds:.0f} s", file=sys.stderr, flush=True)
    time.sleep(seconds)


def first_cause(error: BaseException) -> BaseException:
    """Return the first cause of an error, which the libraries wrap several times."""
    while error.__context__:
        error = error.__context__
    return error


def append(data: Iterable[bytes], part: Path, name: str, length: int | None) -> None:
    """Append pieces to `part`, showing progress if the file's length in bytes is known."""
    total = 0 if length is None else math.ceil((length - size(part)) / CHUNK)
    steps = track(range(total), f"download {name} (MiB)", total) if total else iter(())
    written = shown = 0
    with naming(part), part.open("ab") as file:
        for piece in data:
            file.write(piece)
            written += len(piece)
            while shown < math.ceil(written / CHUNK):
                shown += 1
                next(steps, None)
    for _ in steps:
        pass


def size(part: Path) -> int:
    """Return the bytes that have been downloaded."""
    return part.stat().st_size if part.is_file() else 0


def forget(part: Path) -> None:
    """Remove a partial download, the bytes first, so that they are never resumed with another validator."""
    part.unlink(missing_ok=True)
    part.with_suffix(".validator").unlink(missing_ok=True)


def read_validator(part: Path) -> str:
    """Return what identifies the file that `part` is of; "" if nothing does."""
    path = part.with_suffix(".validator")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def write_validator(part: Path, validator: str) -> None:
    """Keep what identifies the file that `part` is of."""
    with atomic_write(part.with_suffix(".validator")) as path:
        path.write_text(validator, encoding="utf-8")


def validator_of(answer: requests.Response) -> str:
    """Return a strong ETag, else the time of the last change, else ""."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")
