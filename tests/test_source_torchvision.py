"""Fashion-MNIST from folders, `file:` addresses and local servers, working and broken.

Made files stand in for the official ones, whose MD5 sums torchvision's class is then told. The official ones
themselves are used where SPROUT_TEST_DATA names a folder that holds `fashion-mnist/`.
"""

import gzip
import hashlib
import os
import shutil
import socket
import struct
import time
from collections import Counter
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from servers import serving
from sprout.config.download import Torchvision
from sprout.data.sources import http, torchvision
from sprout.runtime.errors import UserError

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
    """A folder with generated files, which torchvision's class takes for the official ones."""
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
    """The hosts that are looked up; only this machine answers, without waits."""
    hosts, resolve = set(), socket.getaddrinfo

    def only_here(host, *arguments, **more):
        hosts.add(host)
        if host != "127.0.0.1":
            raise OSError(f"{host} is not to be asked")
        return resolve(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(http, "BACKOFF", 0.0)
    return hosts


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Refusing(BaseHTTPRequestHandler):
    status = 503

    def do_GET(self):
        self.send_error(self.status)

    def log_message(self, *_):
        pass


def fetch(raw: Path, mirror: str | None, name: str = "FashionMNIST") -> None:
    torchvision.fetch(Torchvision("torchvision", name, mirror), raw, raw.with_name("partial"))


def refusal(raw: Path, mirror: str | None) -> str:
    with pytest.raises(UserError) as refused:
        fetch(raw, mirror)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def assert_made_files(raw: Path) -> None:
    found = torchvision.read(Torchvision("torchvision", "FashionMNIST", None), raw, raw)
    assert found.examples.dtype == np.uint8
    np.testing.assert_array_equal(found.examples, np.concatenate([*IMAGES.values()]))
    assert (len(found.classes), found.classes[9]) == (10, "Ankle boot")
    assert found.label.to_pylist() == [found.classes[label] for label in np.concatenate([*LABELS.values()])]
    assert found.split.to_pylist() == ["train"] * 30 + ["test"] * 12
    assert found.origin.to_pylist() == [f"train:{row}" for row in range(30)] + [f"test:{row}" for row in range(12)]
    assert (found.value, found.features, found.group, found.faults) == (None, None, None, {})


@pytest.mark.parametrize("address", ["{}", "{}/", "file://{}"])
def test_from_a_folder(mirror, raw, asked, address):
    folder = address.format(mirror)
    fetch(raw, folder.replace(" ", "%20") if "://" in folder else folder)
    assert_made_files(raw)
    assert asked == set()


@pytest.mark.parametrize("end", ["", "/"])
def test_from_a_server(mirror, raw, asked, end):
    with serving(partial(Quiet, directory=mirror)) as address:
        fetch(raw, address + end)
    assert_made_files(raw)
    assert asked == {"127.0.0.1"}


def test_folder_and_server_give_the_same_files(mirror, tmp_path):
    for way in ("server", "folder"):
        (tmp_path / way).mkdir()
    with serving(partial(Quiet, directory=mirror)) as address:
        fetch(tmp_path / "server", address)
    fetch(tmp_path / "folder", str(mirror))
    files = {
        way: {p.relative_to(tmp_path / way): p.read_bytes() for p in (tmp_path / way).rglob("*") if p.is_file()}
        for way in ("server", "folder")
    }
    assert files["server"] == files["folder"]
    assert {path.name for path in files["folder"]} == {*FILES, *(file.removesuffix(".gz") for file in FILES)}


def test_no_mirror_means_the_public_address(mirror, raw, asked):
    """The guard of the other tests works, and the message names the address."""
    message = refusal(raw, None)
    assert asked == {"fashion-mnist.s3-website.eu-central-1.amazonaws.com"}
    url = f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{FILES[0]}"
    assert FILES[0] in message
    assert f"{url}: " in message
    assert "set download.mirror" in message


@pytest.mark.parametrize("file", FILES)
def test_a_folder_without_a_file(mirror, raw, asked, file):
    (mirror / file).unlink()
    message = refusal(raw, str(mirror))
    assert f"{mirror}/{file}: No such file" in message
    assert "download.mirror" in message
    assert asked == set()


@pytest.mark.parametrize("address", ["file:///nowhere/at/all", "nowhere"])
def test_no_such_folder(mirror, raw, asked, address):
    assert f"{address}/{FILES[0]}: No such file or directory" in refusal(raw, address)
    assert asked == set()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def altered(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("way", ["folder", "server"])
@pytest.mark.parametrize("damage", [cut, altered, lambda data: b""])
def test_a_wrong_file(mirror, raw, asked, damage, way):
    good = (mirror / FILES[2]).read_bytes()
    (mirror / FILES[2]).write_bytes(damage(good))
    with serving(partial(Quiet, directory=mirror)) as server:
        address = server if way == "server" else str(mirror)
        message = refusal(raw, address)
    assert f"{address}/{FILES[2]}: expected MD5 {md5(good)}, found {md5(damage(good))}" in message
    assert asked <= {"127.0.0.1"}


def test_a_server_that_breaks_off_is_resumed(mirror, raw, asked):
    class BreaksOff(Quiet):
        """Sends a part of the rest with each answer."""

        def do_GET(self):
            data = Path(self.translate_path(self.path)).read_bytes()
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            self.wfile.write(data[start : start + max(100, len(data) // 3)])
            self.close_connection = True

    with serving(partial(BreaksOff, directory=mirror)) as address:
        fetch(raw, address)
    assert_made_files(raw)


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_that_refuses(mirror, raw, asked, status):
    with serving(type("Handler", (Refusing,), {"status": status})) as address:
        message = refusal(raw, address)
    assert f"{address}/{FILES[0]}: HTTP {status}" in message


def test_a_closed_port(mirror, raw, asked):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    message = refusal(raw, f"http://127.0.0.1:{port}/sets")
    assert f"http://127.0.0.1:{port}/sets/{FILES[0]}: " in message
    assert "refused" in message


def test_the_next_address_is_tried(mirror, raw, monkeypatch):
    """torchvision has several for some data sets."""
    with serving(Refusing) as first, serving(partial(Quiet, directory=mirror)) as second:
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{first}/", f"{second}/"])
        fetch(raw, None)
    assert_made_files(raw)


def test_all_addresses_are_named_if_all_fail(mirror, raw, monkeypatch):
    with serving(Refusing) as first, serving(Refusing) as second:
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{first}/", f"{second}/"])
        message = refusal(raw, None)
    assert all(f"{address}/{FILES[0]}: HTTP 503" in message for address in (first, second))


def test_a_server_that_never_answers(mirror, raw, monkeypatch):
    monkeypatch.setattr(http, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        message = refusal(raw, address)
    assert time.monotonic() - begun < 10
    assert f"{address}/{FILES[0]}: " in message


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("fashion-mnist", r" \(did you mean FashionMNIST.*\?\)"),
        ("Cifar10", r" \(did you mean CIFAR10.*\?\)"),
        ("CocoDetection", ""),
        ("__name__", ""),
    ],
)
def test_an_unknown_name(raw, asked, name, near):
    with pytest.raises(UserError, match=rf"download\.name={name}: not .* read here{near}; accepted: MNIST, Fas"):
        fetch(raw, None, name)
    assert list(raw.iterdir()) == []
    assert asked == set()


@pytest.fixture(scope="module")
def official():
    """The official files."""
    folder = Path(os.environ.get("SPROUT_TEST_DATA", "")) / "fashion-mnist"
    if "SPROUT_TEST_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("set SPROUT_TEST_DATA to a folder that holds fashion-mnist/ with the four official files")
    return folder


@pytest.mark.parametrize("way", ["folder", "server"])
def test_the_official_files(official, raw, asked, way):
    if way == "server":
        with serving(partial(Quiet, directory=official)) as address:
            fetch(raw, address)
    else:
        fetch(raw, str(official))
    assert asked == ({"127.0.0.1"} if way == "server" else set())
    found = torchvision.read(Torchvision("torchvision", "FashionMNIST", None), raw, raw)
    assert found.examples.shape == (70000, 28, 28)
    counts = Counter(zip(found.split.to_pylist(), found.label.to_pylist(), strict=True))
    assert counts == {(s, c): n for s, n in (("train", 6000), ("test", 1000)) for c in found.classes}
    # The mean of the training part that is widely used to normalise it.
    assert found.examples[:60000].mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    shutil.rmtree(raw)  # 84 MB


def test_official_files_but_another_set(official, raw, asked):
    """The files of MNIST have the same names; only their checksums tell."""
    with pytest.raises(UserError, match="expected MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873, found 8d4fb7e6c68d591d"):
        fetch(raw, str(official), "MNIST")
    assert asked == set()
