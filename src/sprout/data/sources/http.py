"""A file over HTTP: what has come is gone on with, and what may pass is tried again."""

import math
import re
import ssl
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
import urllib3

from sprout.data.sources.part import FailedError, Origin, begin, begun, forget, size
from sprout.runtime.errors import one_line
from sprout.runtime.progress import track

CONNECT = 60.0
"""Seconds for a connection to be made."""
SILENCE = 60.0
"""A server that sends nothing for so many seconds is given up."""
ATTEMPTS = 5
"""So many in a row that bring nothing new end a download."""
WAIT = 1.0
"""Seconds before the second attempt; doubled before each further one."""
DIGITS = 18
"""A length of so many digits is none."""
LONGEST_WAIT = 300.0
"""Seconds; a server that asks for more is asked again after these."""
CHUNK = 2**20
"""Bytes that are counted as one step: 1 MiB."""
MAY_PASS = {408, 425, 429}
"""Statuses below 500 that may be another one soon."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class PassingError(FailedError):
    """A fault that may pass."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds
        """How long the server asks to be left alone."""


def fetch(url: str, part: Path, *, name: str, checked: bool) -> bool:
    """Bring the file at a URL to `part`, going on with what is there already.

    Args:
        url: where it is.
        part: where it goes to.
        name: what progress calls it.
        checked: whether a checksum will decide if the bytes are right. If not, nothing is gone on with
            unless the server itself can tell that its file is still the same.

    Returns:
        Whether some of the bytes had come earlier.

    Raises:
        FailedError: the file cannot be had.
    """
    failed, most = 0, size(part)
    while True:
        try:
            return attempt(url, part, name, checked)
        except PassingError as fault:
            # A server that breaks off a hundred times, and brings a piece each time, brings the file.
            failed, most = (0, size(part)) if size(part) > most else (failed + 1, most)
            if failed == ATTEMPTS:
                raise
            seconds = min(max(WAIT * 2 ** max(0, failed - 1), fault.seconds), LONGEST_WAIT)
            print(f"download {name}: {fault}; once more in {seconds:.0f} s", file=sys.stderr, flush=True)
            time.sleep(seconds)


def attempt(url: str, part: Path, name: str, checked: bool) -> bool:
    """One request and its answer: return whether some of the bytes had come earlier.

    Raises:
        PassingError: another attempt may do better.
        FailedError: none will.
    """
    before = begun(part)
    if before is None or not (checked or before.strong):
        before = None
        forget(part)
    elif checked and size(part) == before.length:
        return True
    try:
        with ask(url, size(part), before) as answer:
            return receive(answer, part, name, before)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise fault_of(error) from None
    except ValueError as error:  # as urllib's of an address that a redirect names
        raise FailedError(one_line(error)) from None


def ask(url: str, offset: int, before: Origin | None) -> requests.Response:
    """Send the request: for the rest from `offset` on where something has come, else for the whole file."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "sprout"}
    if before:
        headers["Range"] = f"bytes={offset}-"
        if unchanged := before.strong or before.modified:
            headers["If-Range"] = unchanged
    return requests.get(url, headers=headers, stream=True, timeout=(CONNECT, SILENCE))


def receive(answer: requests.Response, part: Path, name: str, before: Origin | None) -> bool:
    """Write an answer's body to `part`, behind what is there or anew; return whether it went behind.

    Raises:
        PassingError: the server is busy, or its answer does not fit what has come, which is then forgotten.
        FailedError: the server does not give the file.
    """
    if before and answer.status_code == 206 and fits(answer, size(part), before):
        write(answer, part, name, before.length)
        return True
    if before and answer.status_code in (206, 416):
        forget(part)
        raise PassingError(f"HTTP {answer.status_code} does not fit what came before, which is given up")
    if answer.status_code != 200:
        raise refusal(answer)
    origin = said(answer)
    begin(part, origin)
    write(answer, part, name, origin.length)
    return False


def fits(answer: requests.Response, offset: int, before: Origin) -> bool:
    """Whether a 206 holds the rest of the same file, from `offset` to its end."""
    span = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if not span:
        return False
    start, last, length = (int(number) for number in span.groups())
    now = said(answer)
    same = now.etag in (None, before.etag) and now.modified in (None, before.modified)
    return same and start == offset and last == length - 1 and before.length in (None, length)


def said(answer: requests.Response) -> Origin:
    """What an answer's head says of the file."""
    length = answer.headers.get("Content-Length", "")
    return Origin(
        length=int(length) if length.isdecimal() and len(length) < DIGITS else None,
        etag=answer.headers.get("ETag"),
        modified=answer.headers.get("Last-Modified"),
    )


def write(answer: requests.Response, part: Path, name: str, length: int | None) -> None:
    """Append an answer's body to `part`, as it comes; progress is shown where the file's length is known.

    Raises:
        PassingError: the body ended before the file did.
    """
    steps = pour(answer, part)
    if length is not None:
        steps = track(steps, f"download {name} (MiB)", math.ceil((length - size(part)) / CHUNK))
    for _ in steps:
        pass
    if length is not None and size(part) != length:
        raise PassingError(f"{size(part)} of {length} bytes came")


def pour(answer: requests.Response, part: Path) -> Iterator[None]:
    """Append an answer's body to `part`; yield once for each MiB, the last one begun included.

    The bytes are kept as they are sent: a `Content-Encoding` is not undone, as the checksum is the sent file's.
    """
    come = 0
    with part.open("ab") as file:
        # `read1` hands over what is there: no byte is lost when the next one never comes.
        while data := answer.raw.read1(CHUNK, decode_content=False):
            file.write(data)
            yield from [None] * (math.ceil((come + len(data)) / CHUNK) - math.ceil(come / CHUNK))
            come += len(data)


def refusal(answer: requests.Response) -> FailedError:
    """What an answer without the file means."""
    reason = " ".join(f"HTTP {answer.status_code} {answer.reason or ''}".split())
    if answer.status_code >= 500 or answer.status_code in MAY_PASS:
        return PassingError(reason, retry_after(answer.headers.get("Retry-After", "")))
    return FailedError(reason)


def retry_after(said: str) -> float:
    """Seconds that a `Retry-After` asks for, as a number or a date; 0 for what is neither."""
    if said.isdecimal():
        return float(said)
    try:
        date = parsedate_to_datetime(said)
        return max(0.0, (date.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return 0.0


def fault_of(error: Exception) -> FailedError:
    """A library's error, said by its cause: the libraries wrap it several times."""
    cause: BaseException = error
    while cause.__context__:
        cause = cause.__context__
    reason = one_line(cause)
    if isinstance(error, requests.ConnectTimeout):
        return PassingError(f"no connection within {CONNECT:g} s")
    if isinstance(cause, TimeoutError):
        return PassingError(f"silent for {SILENCE:g} s")
    lasting = isinstance(cause, ssl.SSLCertVerificationError) or not isinstance(
        error, (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)
    )
    return FailedError(reason) if lasting else PassingError(reason)
