"""One file from servers, whole and broken: it is right in the end, or one line says what is wrong."""

import hashlib
import json
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
from sprout.data.sources.transfer import bring
from sprout.runtime import progress
from sprout.runtime.errors import UserError

DATA = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)

SCRIPT = """
import sys
from pathlib import Path
from sprout.data.sources.transfer import bring
url, to, parts, digest = sys.argv[1:]
bring("set", [url], Path(to), parts=Path(parts), digest=digest, advice="")
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(http, "WAIT", 0.001)
    monkeypatch.setattr(http, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(http, "ATTEMPTS", 3)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def get(tmp_path):
    """Bring a file; nothing but it is left where it belongs."""

    def get(*urls: str, digest: str | None = sha256(DATA), algorithm: str = "sha256") -> bytes:
        path = tmp_path / "to" / "data.bin"
        path.parent.mkdir(exist_ok=True)
        found = bring(
            "set", urls, path, parts=tmp_path / "parts", digest=digest, algorithm=algorithm, advice="look elsewhere"
        )
        assert [each.name for each in path.parent.iterdir()] == ["data.bin"]
        assert found == hashlib.new(algorithm, path.read_bytes()).hexdigest()
        return path.read_bytes()

    return get


@pytest.fixture
def refusal(get, tmp_path):
    """Bring a file that cannot be had; return what is said."""

    def refusal(*urls: str, **more) -> str:
        with pytest.raises(UserError) as refused:
            get(*urls, **more)
        said = str(refused.value)
        assert "\n" not in said
        assert said.startswith("set cannot be had from ")
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
def test_what_passes_ends_in_the_right_file(get, monkeypatch, faults, digest):
    monkeypatch.setattr(http, "SILENCE", 0.3)
    with site(DATA, *faults) as it:
        assert get(it.url, digest=digest) == DATA
        assert it.faults == []


@pytest.mark.parametrize("digest", [sha256(DATA), None])
def test_what_has_come_is_not_fetched_again(get, digest):
    with site(DATA, short(1000), short(500), short(100_000)) as it:
        assert get(it.url, digest=digest) == DATA
        assert it.ranges == [None, "bytes=1000-", "bytes=1500-", "bytes=101500-"]
        assert {headers.get("If-Range") for headers in it.asked[1:]} == {'"1"'}
        assert {headers["Accept-Encoding"] for headers in it.asked} == {"identity"}


def test_pieces_that_bring_something_are_no_failures(get):
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
def test_without_a_strong_etag_only_a_checksum_lets_it_go_on(get, validators, if_range):
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
    """Half of one and half of the other is never taken, whatever the server says of them."""
    with site(OTHER, short(1000), now(DATA, etag)) as it:
        assert get(it.url) == DATA


@pytest.mark.parametrize("now", [changed, careless])
def test_a_change_is_seen_without_a_checksum(get, now):
    with site(OTHER, short(1000), now(DATA)) as it:
        assert get(it.url, digest=None) == DATA


def test_a_later_attempt_goes_on(get, refusal, tmp_path):
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        assert f"{it.url}: HTTP 503" in refusal(it.url)
        assert [path.stat().st_size for path in (tmp_path / "parts").glob("*.part")] == [1000]
        assert get(it.url) == DATA
        assert it.ranges[-1] == "bytes=1000-"
    assert list((tmp_path / "parts").iterdir()) == []


def test_a_part_is_gone_on_with_for_the_same_file_alone(get, refusal):
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        refusal(it.url)
        it.data, it.etag = OTHER, '"2"'
        assert get(it.url, digest=sha256(OTHER)) == OTHER
        assert it.ranges[-1] is None


@pytest.mark.parametrize(("lost", "asked"), [(False, ["bytes=2000-", None]), (True, [None])])
def test_a_part_with_other_bytes(get, refusal, tmp_path, lost, asked):
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        refusal(it.url)
        (part,) = (tmp_path / "parts").glob("*.part")
        part.write_bytes(bytes(2000))
        if lost:
            part.with_suffix(".json").unlink()
        del it.asked[:]
        assert get(it.url) == DATA
        assert it.ranges == asked


@pytest.mark.parametrize("data", [DATA, bytes(len(DATA))])
def test_a_part_that_is_whole(get, refusal, tmp_path, data):
    """A kill between the last byte and the change of place."""
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        refusal(it.url)
        (part,) = (tmp_path / "parts").glob("*.part")
        part.write_bytes(data)
        del it.asked[:]
        assert get(it.url) == DATA
        assert it.ranges == ([] if data == DATA else [None])


def test_a_killed_process_leaves_its_part_alone(get, tmp_path):
    with site(DATA, stall(200_000)) as it:
        words = [sys.executable, "-c", SCRIPT, it.url, str(tmp_path / "at"), str(tmp_path / "parts"), sha256(DATA)]
        process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(Path(http.__file__).parents[2])})
        until = time.monotonic() + 30
        while not any(p.stat().st_size > 100_000 for p in (tmp_path / "parts").glob("*.part")):
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
def test_what_does_not_pass_is_asked_for_once(refusal, faults, said):
    with site(DATA, *faults) as it:
        assert refusal(it.url) == f"set cannot be had from {it.url}: {said}; look elsewhere"
        assert it.faults == []
        assert len(it.asked) == len(faults)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refuse(503), "HTTP 503 Service Unavailable"),
        (refuse(429, Retry_After="3600"), "HTTP 429 Too Many Requests"),
        (short(0), "IncompleteRead(0 bytes read, 300000 more expected)"),
        (stall(0), "silent for 0.3 s"),
        (silent, "silent for 0.3 s"),
        (hang_up, "Remote end closed connection without response"),
        (babble, "220 mail.example ESMTP"),
    ],
)
def test_what_does_not_get_better_is_given_up(refusal, monkeypatch, capsys, fault, said):
    if "silent" in said:
        monkeypatch.setattr(http, "SILENCE", 0.3)
    with site(DATA, *[fault] * 9) as it:
        assert refusal(it.url) == f"set cannot be had from {it.url}: {said}; look elsewhere"
        assert len(it.asked) == http.ATTEMPTS
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"download data.bin: {said}; once more in 0 s"] * (http.ATTEMPTS - 1)


def test_waits_double_and_are_as_long_as_the_server_asks(refusal, monkeypatch):
    waits = []
    monkeypatch.setattr(http.time, "sleep", waits.append)
    for name, value in {"ATTEMPTS": 6, "WAIT": 1.0, "LONGEST_WAIT": 300.0}.items():
        monkeypatch.setattr(http, name, value)
    with site(
        DATA, hang_up, hang_up, refuse(503, Retry_After="7"), refuse(429, Retry_After="3600"), *[hang_up] * 2
    ) as it:
        refusal(it.url)
    assert waits == [1, 2, 7, 300, 16]


def test_a_server_that_breaks_off_without_range_is_given_up(refusal):
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
        assert said == f"set cannot be had from {it.url}: expected {name} {expected}, found {found}; look elsewhere"
        assert len(it.asked) == 1
    assert list((tmp_path / "parts").iterdir()) == []


def test_wrong_bytes_in_pieces_are_fetched_twice_and_no_more(refusal):
    with site(OTHER, *[short(100_000), whole] * 5) as it:
        assert f"expected SHA-256 {sha256(DATA)}, found {sha256(OTHER)}" in refusal(it.url)
        assert len(it.asked) <= 4


def test_the_next_mirror_is_asked(get, tmp_path):
    with site(DATA, short(1000), *[refuse(503)] * 3) as first, site(OTHER) as second, site(DATA) as third:
        assert get(first.url, second.url, str(tmp_path / "none"), third.url) == DATA
        assert [len(each.asked) for each in (first, second, third)] == [4, 1, 1]
    assert list((tmp_path / "parts").iterdir()) == []


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
    assert refusal(url) == f"set cannot be had from {url}: [Errno 111] Connection refused; look elsewhere"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://", "Invalid URL 'http://': No host supplied"),
        ("http://[::1/x", "is not a valid host or port"),
        ("file://[x", "Invalid IPv6 URL"),
        ("file://elsewhere/data.bin", "a file: URL is of this machine, not of elsewhere"),
        ("nonsense://x/y", "Protocol not known: nonsense"),
        ("/", "not a file"),
        ("a\0b", "embedded null byte"),
        ("memory://none", "FileNotFoundError: /none"),
        ("http://me:secret@[x", "http://me:***@[x: "),
    ],
)
def test_a_url_that_cannot_be(refusal, url, said):
    message = refusal(url)
    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize(("url", "package"), [("s3://b/x", "s3fs"), ("gs://b/x", "gcsfs"), ("ssh://h/x", "paramiko")])
def test_a_missing_driver_is_named(refusal, monkeypatch, url, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert package in refusal(url)


@pytest.mark.parametrize("way", ["path", "file:", "file: without //", "memory:", "server"])
def test_the_way_makes_no_difference(get, tmp_path, monkeypatch, capsys, way):
    """Neither to the file nor to the progress, which counts bytes."""
    monkeypatch.setattr(progress, "SECONDS", -1.0)
    for module in ("http", "copying"):
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


def test_what_is_kept_of_a_part_names_no_url(refusal, tmp_path):
    """A URL may hold a password or a signature."""
    with site(DATA, short(1000), *[refuse(503)] * 3) as it:
        refusal(it.url.replace("http://", "http://me:secret@"))
    (kept,) = (tmp_path / "parts").glob("*.json")
    assert json.loads(kept.read_text()) == {"length": len(DATA), "etag": '"1"', "modified": None}
