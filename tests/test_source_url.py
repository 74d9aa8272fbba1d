"""The source `url`: its checksum is set, or that of the first download is kept."""

import hashlib

import pytest

from servers import changed, hang_up, site
from sprout.config.download import Url
from sprout.config.formats import Folders
from sprout.data import sources
from sprout.data.sources import http
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json

DATA, OTHER = b"one" * 1000, b"two" * 1000
SHA256, OTHERS = (hashlib.sha256(data).hexdigest() for data in (DATA, OTHER))


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(http, "BACKOFF", 0.001)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def fetch(tmp_path):
    """Download as the stage does; return the files by name."""

    def fetch(*urls, sha256=None, file=None):
        folder = tmp_path / "raw"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        sources.fetch(Url("url", urls, sha256, file, Folders("folders")), folder, tmp_path / "partial")
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    return fetch


def test_a_given_checksum(fetch, capsys):
    with site(DATA, hang_up) as it:
        assert fetch(it.url, sha256=SHA256) == {"data.bin": DATA}
    assert "makes later downloads" not in capsys.readouterr().err


def test_a_given_checksum_of_another_file(fetch):
    with site(OTHER) as it, pytest.raises(UserError, match=f"{SHA256}, found {OTHERS}.* download.sha256") as refused:
        fetch(it.url, sha256=SHA256)
    assert it.url in str(refused.value)


def test_the_first_checksum_is_kept(fetch, tmp_path, capsys):
    record = tmp_path / "partial" / "checksums.json"
    with site(DATA, hang_up) as it:
        assert fetch(it.url) == {"data.bin": DATA}
        assert f"download.sha256={SHA256}" in capsys.readouterr().err
        assert read_json(record) == {it.url: SHA256}
        assert fetch(it.url) == {"data.bin": DATA}
        it.faults.append(changed(OTHER))
        with pytest.raises(UserError, match=f"{SHA256}, found {OTHERS}.*{record}.* download.sha256"):
            fetch(it.url)
        assert read_json(record) == {it.url: SHA256}
        assert fetch(it.url, sha256=OTHERS) == {"data.bin": OTHER}
        assert fetch(it.url) == {"data.bin": OTHER}


def test_mirrors_share_the_recorded_checksum(fetch):
    with site(DATA) as first, site(OTHER) as second:
        fetch(first.url)
        assert fetch(second.url, first.url) == {"data.bin": DATA}
        with pytest.raises(UserError, match=f"expected SHA-256 {SHA256}, found {OTHERS}"):
            fetch(second.url)


def test_a_password_is_not_kept(fetch, tmp_path):
    with site(DATA) as it:
        fetch(it.url.replace("http://", "http://me:secret@"))
        assert it.asked[0]["Authorization"].startswith("Basic ")
    assert [*read_json(tmp_path / "partial" / "checksums.json")] == [it.url.replace("http://", "http://me:***@")]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/set.tar.gz", "set.tar.gz"),
        ("set.zip?download=1&x=/y", "set.zip"),
        ("set.zip#top", "set.zip"),
        ("my%20set%C3%A9.zip", "my seté.zip"),
        ("a%2F..%5C%00b.csv", "a_..__b.csv"),
        ("a/", "a"),
    ],
)
def test_the_name_is_that_of_the_address(fetch, path, name):
    with site(DATA) as it:
        assert fetch(f"{it.address}/{path}") == {name: DATA}


def test_the_name_is_given(fetch):
    with site(DATA) as it:
        assert fetch(it.address, file="my set.zip") == {"my set.zip": DATA}


def test_a_path_is_an_address(fetch, tmp_path):
    (tmp_path / "50%20#1?.csv").write_bytes(DATA)
    assert fetch(str(tmp_path / "50%20#1?.csv")) == {"50%20#1?.csv": DATA}


@pytest.mark.parametrize(
    ("path", "file"), [("", None), ("..", None), ("%2e", None), ("x", ".."), ("manifest.json", None)]
)
def test_an_invalid_file_name(fetch, path, file):
    with site(DATA) as it, pytest.raises(UserError, match=r"download\.file=.*set download\.file to another name"):
        fetch(f"{it.address}/{path}", file=file)
    assert it.asked == []
