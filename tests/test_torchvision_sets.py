"""Fashion-MNIST from folders, `file:` addresses and loopback servers, whole and broken.

Made files stand in for the official ones, whose MD5 sums torchvision's class is then told. The official ones
themselves are used where SPROUT_TEST_DATA names a folder that holds `fashion-mnist/`.
"""

import gzip
import hashlib
import os
import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from sprout import sources
from sprout.core import progress
from sprout.core.errors import UserError
from sprout.sources import torchvision_sets

PARTS = {"train": 30, "t10k": 12}
FILES = [file for file, _ in datasets.FashionMNIST.resources]
GENERATOR = np.random.default_rng(0)
IMAGES = {part: GENERATOR.integers(0, 256, (n, 28, 28), dtype=np.uint8) for part, n in PARTS.items()}
LABELS = {part: np.arange(n, dtype=np.uint8) % 10 for part, n in PARTS.items()}


def idx(array: np.ndarray) -> bytes:
    """The IDX format: unsigned bytes, the number of axes, each axis's length, the data."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder with made files, which torchvision's class holds for the official ones."""
    folder = tmp_path / "the mirror"
    folder.mkdir()
    for part in PARTS:
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(IMAGES[part]))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(LABELS[part]))
    sums = [(file, md5((folder / file).read_bytes())) for file in FILES]
    monkeypatch.setattr(datasets.FashionMNIST, "resources", sums)
    return folder


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """The hosts that are asked for; none but this machine answers."""
    hosts, resolve = set(), socket.getaddrinfo

    def only_here(host, *arguments, **more):
        hosts.add(host)
        if host != "127.0.0.1":
            raise OSError(f"{host} is not to be asked")
        return resolve(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    monkeypatch.setenv("no_proxy", "*")
    return hosts


@contextmanager
def serving(handler) -> Iterator[str]:
    """A server's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Refusing(BaseHTTPRequestHandler):
    status = 503

    def do_GET(self):
        self.send_error(self.status)

    def log_message(self, *_):
        pass


def fetch(raw: Path, mirror: str | None) -> None:
    sources.fetch(raw, source="torchvision", name="FashionMNIST", mirror=mirror)


def refusal(raw: Path, mirror: str | None) -> str:
    with pytest.raises(UserError) as refused:
        fetch(raw, mirror)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def assert_made_files(raw: Path) -> None:
    found = sources.read(raw, source="torchvision", name="FashionMNIST", mirror=None)
    np.testing.assert_array_equal(found.images, np.concatenate([*IMAGES.values()])[..., None])
    np.testing.assert_array_equal(found.labels, np.concatenate([*LABELS.values()]))
    assert (found.images.dtype, found.labels.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(found.official_test, np.arange(42) >= 30)
    assert (found.origin[0], found.origin[29], found.origin[30]) == ("train:0", "train:29", "test:0")
    assert (len(found.classes), found.classes[9]) == (10, "Ankle boot")


def test_from_a_folder(mirror, raw, asked):
    fetch(raw, str(mirror))
    assert_made_files(raw)
    assert asked == set()


def test_from_a_file_address(mirror, raw, asked):
    assert "%20" in mirror.as_uri()
    fetch(raw, mirror.as_uri())
    assert_made_files(raw)
    assert asked == set()


@pytest.mark.parametrize("end", ["", "/"])
def test_from_a_server(mirror, raw, asked, end):
    with serving(partial(Quiet, directory=mirror)) as address:
        fetch(raw, address + end)
    assert_made_files(raw)
    assert asked == {"127.0.0.1"}


@pytest.mark.parametrize("way", ["folder", "server"])
def test_progress_counts_the_bytes_of_each_file(mirror, raw, capsys, monkeypatch, way):
    monkeypatch.setattr(torchvision_sets, "CHUNK", 4096)
    monkeypatch.setattr(progress, "SECONDS", -1.0)
    with serving(partial(Quiet, directory=mirror)) as address:
        fetch(raw, address if way == "server" else str(mirror))
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("download ")]
    totals = {file: -(-(mirror / file).stat().st_size // 4096) for file in FILES}
    assert said == [
        f"download {file} (MiB): {done}/{totals[file]}" for file in FILES for done in range(totals[file] + 1)
    ]
    assert max(totals.values()) > 1
    assert_made_files(raw)


@pytest.mark.parametrize("length", [None, "many"])
def test_a_server_that_does_not_say_the_length(mirror, raw, capsys, monkeypatch, length):
    class Unknown(Quiet):
        def send_header(self, keyword, value):
            if keyword != "Content-Length":
                super().send_header(keyword, value)
            elif length:
                super().send_header(keyword, length)

    monkeypatch.setattr(progress, "SECONDS", -1.0)
    with serving(partial(Unknown, directory=mirror)) as address:
        fetch(raw, address)
    assert "download " not in capsys.readouterr().err
    assert_made_files(raw)


def test_the_way_makes_no_difference(mirror, tmp_path):
    with serving(partial(Quiet, directory=mirror)) as address:
        fetch(tmp_path / "server", address)
    (tmp_path / "folder").mkdir()
    fetch(tmp_path / "folder", str(mirror))
    files = {
        way: {p.relative_to(tmp_path / way): p.read_bytes() for p in (tmp_path / way).rglob("*") if p.is_file()}
        for way in ("server", "folder")
    }
    assert files["server"] == files["folder"]
    assert {path.name for path in files["folder"]} == {*FILES, *(file.removesuffix(".gz") for file in FILES)}


def test_no_mirror_means_the_public_address(mirror, raw, asked):
    """The other tests' guard works, and what it stops is said."""
    message = refusal(raw, None)
    assert asked == {"fashion-mnist.s3-website.eu-central-1.amazonaws.com"}
    url = f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{FILES[0]}"
    assert message.startswith(f"FashionMNIST: {FILES[0]} cannot be had from {url}: ")
    assert "is not to be asked" in message
    assert message.endswith("set download.mirror to a URL or folder with the official files")


@pytest.mark.parametrize("file", FILES)
def test_a_folder_without_a_file(mirror, raw, asked, file):
    (mirror / file).unlink()
    message = refusal(raw, str(mirror))
    assert f"{file} cannot be had from {mirror.as_uri()}/{file}: " in message
    assert f"No such file or directory: '{mirror / file}'" in message
    assert "download.mirror" in message
    assert asked == set()


@pytest.mark.parametrize("address", ["file:///nowhere/at/all", "nowhere", "s3://bucket/mnist"])
def test_no_such_folder(mirror, raw, asked, address):
    message = refusal(raw, address)
    assert "No such file or directory" in message
    assert "download.mirror to a URL or folder" in message
    assert asked == set()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def altered(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("damage", [cut, altered, lambda data: b""])
def test_a_folder_with_a_wrong_file(mirror, raw, asked, damage):
    good = (mirror / FILES[2]).read_bytes()
    (mirror / FILES[2]).write_bytes(damage(good))
    wrong = f"{mirror.as_uri()}/{FILES[2]}: expected MD5 {md5(good)}, found {md5(damage(good))}"
    assert wrong in refusal(raw, str(mirror))
    assert asked == set()


@pytest.mark.parametrize("damage", [cut, altered, lambda data: b""])
def test_a_server_with_a_wrong_file(mirror, raw, asked, damage):
    good = (mirror / FILES[2]).read_bytes()
    (mirror / FILES[2]).write_bytes(damage(good))
    with serving(partial(Quiet, directory=mirror)) as address:
        message = refusal(raw, address)
    assert f"{address}/{FILES[2]}: expected MD5 {md5(good)}, found {md5(damage(good))}" in message
    assert asked == {"127.0.0.1"}


def test_a_server_that_breaks_off(mirror, raw, asked):
    class BreaksOff(Quiet):
        def copyfile(self, source, outputfile):
            outputfile.write(source.read()[:100])

    good = (mirror / FILES[0]).read_bytes()
    with serving(partial(BreaksOff, directory=mirror)) as address:
        message = refusal(raw, address)
    assert f"{address}/{FILES[0]}: expected MD5 {md5(good)}, found {md5(good[:100])}" in message
    assert asked == {"127.0.0.1"}


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_that_refuses(mirror, raw, asked, status):
    with serving(type("Handler", (Refusing,), {"status": status})) as address:
        message = refusal(raw, address)
    assert f"{address}/{FILES[0]}: HTTP Error {status}" in message
    assert asked == {"127.0.0.1"}


def test_a_server_without_one_file(mirror, raw, asked):
    (mirror / FILES[3]).unlink()
    with serving(partial(Quiet, directory=mirror)) as address:
        message = refusal(raw, address)
    assert f"{address}/{FILES[3]}: HTTP Error 404" in message
    assert asked == {"127.0.0.1"}


def test_a_closed_port(mirror, raw, asked):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    message = refusal(raw, f"http://127.0.0.1:{port}/sets")
    assert f"http://127.0.0.1:{port}/sets/{FILES[0]}: " in message
    assert "refused" in message
    assert asked == {"127.0.0.1"}


def test_the_next_address_is_asked(mirror, raw, monkeypatch):
    """torchvision names several for some sets."""
    with serving(Refusing) as first, serving(partial(Quiet, directory=mirror)) as second:
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{first}/", f"{second}/"])
        fetch(raw, None)
        assert_made_files(raw)


def test_all_addresses_are_named_when_none_serves(mirror, raw, monkeypatch):
    with serving(Refusing) as first, serving(Refusing) as second:
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{first}/", f"{second}/"])
        message = refusal(raw, None)
    assert all(f"{address}/{FILES[0]}: HTTP Error 503" in message for address in (first, second))


def test_a_server_of_another_kind(mirror, raw, asked):
    class Other(BaseHTTPRequestHandler):
        def handle(self):
            self.rfile.readline()
            self.wfile.write(b"220 mail.example ESMTP\r\n")

    with serving(Other) as address:
        assert f"{address}/{FILES[0]}: 220 mail.example" in refusal(raw, address)


def test_a_server_that_never_answers(mirror, raw, asked, monkeypatch):
    monkeypatch.setattr(torchvision_sets, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        message = refusal(raw, address)
    assert time.monotonic() - begun < 10
    assert f"{address}/{FILES[0]}: " in message
    assert "timed out" in message


@pytest.fixture(scope="module")
def official():
    """The official files."""
    folder = Path(os.environ.get("SPROUT_TEST_DATA", "")) / "fashion-mnist"
    if "SPROUT_TEST_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("set SPROUT_TEST_DATA to a folder that holds fashion-mnist/ with the four official files")
    return folder


@pytest.mark.parametrize("way", ["folder", "file", "server"])
def test_the_official_files(official, raw, asked, way):
    if way == "server":
        with serving(partial(Quiet, directory=official)) as address:
            fetch(raw, address)
    else:
        fetch(raw, str(official) if way == "folder" else official.as_uri())
    assert asked == ({"127.0.0.1"} if way == "server" else set())
    found = sources.read(raw, source="torchvision", name="FashionMNIST", mirror=None)
    assert found.images.shape == (70000, 28, 28, 1)
    np.testing.assert_array_equal(np.bincount(found.labels[found.official_test]), [1000] * 10)
    np.testing.assert_array_equal(np.bincount(found.labels[~found.official_test]), [6000] * 10)
    # The mean of the training part that is widely used to normalise it.
    assert found.images[:60000].mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    shutil.rmtree(raw)  # 84 MB


def test_official_files_but_another_set(official, raw, asked):
    """The files of MNIST have the same names; only their checksums tell."""
    with pytest.raises(UserError, match="expected MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873, found 8d4fb7e6c68d591d"):
        sources.fetch(raw, source="torchvision", name="MNIST", mirror=str(official))
    assert asked == set()
