"""Downloads from working and broken servers: the file is complete and correct, or one line says what is wrong."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import fsspec
import numpy as np
import pytest

from servers import (
    babble,
    careless,
    changed,
    hang_up,
    other_span,
    redirect,
    refuse,
    short,
    silent,
    site,
    stall,
    unmeasured,
    whole,
)
from sprout.data.sources import http
from sprout.data.sources.transfer import fetch_file
from sprout.runtime import progress
from sprout.runtime.errors import UserError

DATA = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)

SCRIPT = """
import sys
from pathlib import Path
from sprout.data.sources.transfer import fetch_file
url, to, partial, digest = sys.argv[1:]
fetch_file("set", [url], Path(to), partial=Path(partial), checksum=digest, advice="")
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(http, "BACKOFF", 0.001)
    monkeypatch.setattr(http, "MAX_WAIT", 0.05)
    monkeypatch.setattr(http, "ATTEMPTS", 3)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def get(tmp_path):
    """Download a file and return its bytes; nothing else is left in its folder."""

    def get(*urls: str, digest: str | None = sha256(DATA), algorithm: str = "sha256") -> bytes:
        path = tmp_path / "to" / "data.bin"
        path.parent.mkdir(exist_ok=True)
        found = fetch_file(
            "set",
            urls,
            path,
            partial=tmp_path / "partial",
            checksum=digest,
            algorithm=algorithm,
            advice="look elsewhere",
        )
        assert [each.name for each in path.parent.iterdir()] == ["data.bin"]
        assert found == hashlib.new(algorithm, path.read_bytes()).hexdigest()
        return path.read_bytes()

    return get


@pytest.fixture
def refusal(get, tmp_path):
    """Download a file that cannot be downloaded; return the message."""

    def refusal(*urls: str, **more) -> str:
        with pytest.raises(UserError) as refused:
            get(*urls, **more)
        said = str(refused.value)
        assert "\n" not in said
        assert said.startswith("set ")
        assert said.endswith("; look elsewhere")
        assert list((tmp_path / "to").iterdir()) == []
        return said

    return refusal


@pytest.mark.parametrize("digest", [sha256(DATA), None])
@pytest.mark.parametrize(
    "faults",
    [
        [],
        [unmeasured(None)],
        [unmeasured("many")],
        [refuse(503), refuse(429)],
        [refuse(500, Retry_After="1"), refuse(503, Retry_After="soon")],
        [refuse(502, Retry_After=format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True))],
        [short(0)],
        [short(100)],
        [short(100_000), short(100_000)],
        [stall(1000)],
        [silent],
        [hang_up, babble],
        [short(1000), refuse(416)],
        [short(1000), whole],
        [short(1000), hang_up, refuse(503)],
        [short(1000), other_span("bytes 999-299999/300000")],
        [short(1000), other_span("bytes 1000-299999/300001")],
        [short(1000), other_span("bytes 1000-299998/300000")],
        [short(1000), other_span("elephants")],
    ],
)
def test_temporary_faults_are_overcome(get, monkeypatch, faults, digest):
    monkeypatch.setattr(http, "TIMEOUT", 0.3)
    with site(DATA, *faults) as it:
        assert get(it.url, digest=digest) == DATA
        assert it.faults == []


@pytest.mark.parametrize("digest", [sha256(DATA), None])
def test_received_bytes_are_not_requested_again(get, digest):
    with site(DATA, short(1000), short(500), short(100_000)) as it:
        assert get(it.url, digest=digest) == DATA
        assert it.ranges == [None, "bytes=1000-", "bytes=1500-", "bytes=101500-"]
        assert {headers.get("If-Range") for headers in it.asked[1:]} == {'"1"'}
        assert {headers["Accept-Encoding"] for headers in it.asked} == {"identity"}


def test_attempts_that_bring_bytes_do_not_count(get):
    with site(DATA, *[short(1000)] * (http.ATTEMPTS * 3)) as it:
        assert get(it.url) == DATA


@pytest.mark.parametrize(
    ("validators", "if_range"),
    [
        ({"etag": 'W/"1"'}, None),
        ({"etag": None}, None),
        ({"etag": None, "modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, "Mon, 01 Jan 2024 00:00:00 GMT"),
    ],
)
def test_without_a_strong_etag_only_a_checksum_allows_to_resume(get, validators, if_range):
    with site(DATA, short(1000), **validators) as it:
        assert get(it.url) == DATA
        assert it.ranges == [None, "bytes=1000-"]
        assert it.asked[1].get("If-Range") == if_range
    with site(DATA, short(1000), **validators) as it:
        assert get(it.url, digest=None) == DATA
        assert it.ranges == [None, None]


@pytest.mark.parametrize("etag", ['"2"', '"1"', None])
@pytest.mark.parametrize("now", [changed, careless])
def test_a_file_that_changes_between_the_attempts(get, now, etag):
    """Halves of two files are never joined, whatever the server says."""
    with site(OTHER, short(1000), now(DATA, etag)) as it:
        assert get(it.url) == DATA


@pytest.mark.parametrize("now", [changed, careless])
def test_a_changed_file_is_detected_without_a_checksum(get, now):
    with site(OTHER, short(1000), now(DATA)) as it:
        assert get(it.url, digest=None) == DATA


def test_a_later_attempt_resumes(get, refusal, tmp_path):
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        assert f"{it.url}: HTTP 503" in refusal(it.url)
        assert [path.stat().st_size for path in (tmp_path / "partial").glob("*.part")] == [1000]
        assert get(it.url) == DATA
        assert it.ranges[-1] == "bytes=1000-"
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_part_is_resumed_for_the_same_file_only(get, refusal):
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        refusal(it.url)
        it.data, it.etag = OTHER, '"2"'
        assert get(it.url, digest=sha256(OTHER)) == OTHER
        assert it.ranges[-1] is None


@pytest.mark.parametrize(("lost", "asked"), [(False, ["bytes=2000-", None]), (True, ["bytes=2000-", None])])
def test_a_part_with_other_bytes(get, refusal, tmp_path, lost, asked):
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        refusal(it.url)
        (part,) = (tmp_path / "partial").glob("*.part")
        part.write_bytes(bytes(2000))
        if lost:
            part.with_suffix(".validator").unlink()
        del it.asked[:]
        assert get(it.url) == DATA
        assert it.ranges == asked


@pytest.mark.parametrize("data", [DATA, bytes(len(DATA))])
def test_a_complete_part(get, refusal, tmp_path, data):
    """The process was killed between the last byte and the rename."""
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        refusal(it.url)
        (part,) = (tmp_path / "partial").glob("*.part")
        part.write_bytes(data)
        del it.asked[:]
        assert get(it.url) == DATA
        assert it.ranges == ["bytes=300000-"] + [None] * (data != DATA)


def test_a_killed_process_leaves_a_part_to_resume(get, tmp_path):
    with site(DATA, stall(200_000)) as it:
        words = [sys.executable, "-c", SCRIPT, it.url, str(tmp_path / "at"), str(tmp_path / "partial"), sha256(DATA)]
        process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(Path(http.__file__).parents[3])})
        until = time.monotonic() + 30
        while not any(p.stat().st_size > 100_000 for p in (tmp_path / "partial").glob("*.part")):
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "at").exists()
        assert get(it.url) == DATA
        (again,) = it.ranges[1:]
        assert int(again.removeprefix("bytes=").rstrip("-")) > 100_000


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([refuse(403)], "HTTP 403 Forbidden"),
        ([refuse(404)], "HTTP 404 Not Found"),
        ([refuse(202)], "HTTP 202 Accepted"),
        ([other_span("bytes 0-299999/300000")], "HTTP 206 Partial Content"),
        ([redirect("ftp://127.0.0.1/data.bin")], "No connection adapters were found for 'ftp://127.0.0.1/data.bin'"),
        ([redirect("/again")] * 31, "Exceeded 30 redirects."),
    ],
)
def test_permanent_faults_are_not_retried(refusal, faults, said):
    with site(DATA, *faults) as it:
        assert f"{it.url}: {said}" in refusal(it.url)
        assert it.faults == []
        assert len(it.asked) == len(faults)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refuse(503), "HTTP 503 Service Unavailable"),
        (refuse(429, Retry_After="3600"), "HTTP 429 Too Many Requests"),
        (short(0), "IncompleteRead(0 bytes read, 300000 more expected)"),
        (stall(0), "timed out"),
        (silent, "timed out"),
        (hang_up, "Remote end closed connection without response"),
        (babble, "220 mail.example ESMTP"),
    ],
)
def test_lasting_faults_end_after_all_attempts(refusal, monkeypatch, capsys, fault, said):
    if said == "timed out":
        monkeypatch.setattr(http, "TIMEOUT", 0.3)
    with site(DATA, *[fault] * 9) as it:
        assert f"{it.url}: {said}" in refusal(it.url)
        assert len(it.asked) == http.ATTEMPTS
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == http.ATTEMPTS - 1
    assert all(said in line for line in lines)


def test_waits_double_or_follow_retry_after(refusal, monkeypatch):
    waits = []
    monkeypatch.setattr(http.time, "sleep", waits.append)
    for name, value in {"ATTEMPTS": 6, "BACKOFF": 1.0, "MAX_WAIT": 300.0}.items():
        monkeypatch.setattr(http, name, value)
    with site(
        DATA, hang_up, hang_up, refuse(503, Retry_After="7"), refuse(429, Retry_After="3600"), *[hang_up] * 2
    ) as it:
        refusal(it.url)
    assert waits == [0, 2, 7, 300, 16]


def test_a_server_that_breaks_off_and_ignores_range_fails(refusal):
    def broken(request):
        del request.headers["Range"]
        short(1000)(request)

    with site(DATA, *[broken] * 9) as it:
        assert f"{it.url}: " in refusal(it.url)
        assert len(it.asked) <= http.ATTEMPTS + 1


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_wrong_bytes(refusal, tmp_path, algorithm):
    expected, found = (hashlib.new(algorithm, data).hexdigest() for data in (DATA, OTHER))
    name = {"sha256": "SHA-256", "md5": "MD5"}[algorithm]
    with site(OTHER) as it:
        said = refusal(it.url, digest=expected, algorithm=algorithm)
        assert f"{it.url}: expected {name} {expected}, found {found}" in said
        assert len(it.asked) == 1
    assert list((tmp_path / "partial").iterdir()) == []


def test_wrong_bytes_in_pieces_are_downloaded_at_most_twice(refusal):
    with site(OTHER, *[short(100_000), whole] * 5) as it:
        assert f"expected SHA-256 {sha256(DATA)}, found {sha256(OTHER)}" in refusal(it.url)
        assert len(it.asked) <= 4


def test_the_next_mirror_is_tried(get, tmp_path):
    with site(DATA, short(1000), *[refuse(503)] * 3) as first, site(OTHER) as second, site(DATA) as third:
        assert get(first.url, second.url, str(tmp_path / "none"), third.url) == DATA
        assert [len(each.asked) for each in (first, second, third)] == [4, 1, 1]
    assert list((tmp_path / "partial").iterdir()) == []


def test_all_mirrors_are_named(refusal, tmp_path):
    with site(DATA, refuse(403)) as first, site(OTHER) as second:
        said = refusal(first.url, second.url, str(tmp_path / "none"))
        assert f"{first.url}: HTTP 403 Forbidden; {second.url}: expected SHA-256 {sha256(DATA)}, found" in said
        assert f"; {tmp_path / 'none'}: No such file or directory; look elsewhere" in said


def test_a_redirect(get):
    with site(DATA, short(1000)) as there, site(b"", redirect(there.url), redirect(there.url)) as here:
        assert get(here.url) == DATA
        assert there.ranges == [None, "bytes=1000-"]


def test_a_closed_port(refusal):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/data.bin"
    assert f"{url}: [Errno 111] Connection refused" in refusal(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://", "Invalid URL 'http://': No host supplied"),
        ("http://[::1/x", "is not a valid host or port"),
        ("file://[x", "Invalid IPv6 URL"),
        ("file://elsewhere/data.bin", "a file: URL of another machine, elsewhere"),
        ("nonsense://x/y", "Protocol not known: nonsense"),
        ("/", "Is a directory"),
        ("a\0b", "embedded null byte"),
        ("memory://none", "FileNotFoundError: /none"),
        ("http://me:secret@[x", "http://***@[x: "),
    ],
)
def test_an_invalid_url(refusal, url, said):
    message = refusal(url)
    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize(("url", "package"), [("s3://b/x", "s3fs"), ("gs://b/x", "gcsfs"), ("ssh://h/x", "paramiko")])
def test_a_missing_driver_is_named(refusal, monkeypatch, url, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert package in refusal(url)


@pytest.mark.parametrize("way", ["path", "file:", "file: without //", "memory:", "server"])
def test_all_kinds_of_addresses(get, tmp_path, monkeypatch, capsys, way):
    """They give the same file and the same progress in MiB."""
    monkeypatch.setattr(progress, "SECONDS", -1.0)
    for module in ("http", "transfer"):
        monkeypatch.setattr(f"sprout.data.sources.{module}.CHUNK", 100_000)
    path = tmp_path / "the #1 file"
    path.write_bytes(DATA)
    fsspec.filesystem("memory").pipe("/data.bin", DATA)
    with site(DATA) as it:
        assert (
            get(
                {
                    "path": str(path),
                    "file:": path.as_uri(),
                    "file: without //": path.as_uri().replace("//", ""),
                    "memory:": "memory://data.bin",
                    "server": it.url,
                }[way]
            )
            == DATA
        )
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("download ")]
    assert said == [f"download data.bin (MiB): {done}/3" for done in (0, 1, 2, 3)]


def test_an_empty_file(get):
    with site(b"") as it:
        assert get(it.url, digest=sha256(b"")) == b""


def test_no_url_is_kept_beside_a_part(refusal, tmp_path):
    """A URL may contain a password or a signature."""
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        refusal(it.url.replace("http://", "http://me:secret@"))
    (kept,) = (tmp_path / "partial").glob("*.validator")
    assert kept.read_text() == '"1"'
