"""The source `url`: its checksum is set, or that of the first download is kept."""

import hashlib

import pytest

from servers import changed, hang_up, site
from sprout.config.download import Url
from sprout.config.formats import Folders, Pixels
from sprout.data import sources
from sprout.data.sources import http
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json
from test_archive import tar, zipped

DATA, OTHER = (zipped(("a/1.png", bytes(range(256)) * 12), (name, b"")) for name in ("b/1.png", "c/1.png"))
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
    assert [*read_json(tmp_path / "partial" / "checksums.json")] == [it.url.replace("http://", "http://***@")]


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


TABLE = Pixels("pixels", "a.csv", None, None, None)
PAGE = b"\n<!DOCTYPE html><title>Log in</title>"


@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("set.zip", PAGE, Folders("folders"), "a web page, as to log in, in place of set.zip"),
        ("set.csv", PAGE, TABLE, "a web page, as to log in, in place of set.csv"),
        ("set.bin", b"no archive", Folders("folders"), "not an archive; accepted: zip, or tar"),
        ("set.tar.gz", b"no archive", TABLE, "not an archive; accepted: zip, or tar"),
        ("set.zip", zipped(("a", b"1" * 999))[:-40], Folders("folders"), "damaged at "),
        (
            "set.zip",
            zipped(("../a", b"1")),
            Folders("folders"),
            "member '../a' contains ..; pack the folder again, with names relative to it; nothing is kept",
        ),
        ("set.tar", tar(("a", b"1" * 5000))[:3000], Folders("folders"), "damaged at "),
    ],
)
def test_what_cannot_be_opened_is_not_kept(tmp_path, name, content, kind, says):
    (tmp_path / "raw").mkdir()
    with site(content) as it, pytest.raises(UserError) as refused:
        sources.fetch(Url("url", (it.url,), None, name, kind), tmp_path / "raw", tmp_path / "partial")
    assert str(refused.value).startswith(it.url)
    assert says in str(refused.value)
    assert not (tmp_path / "partial/checksums.json").exists()
    assert not list((tmp_path / "partial").glob("unpacked*"))
    with site(DATA) as it:
        sources.fetch(Url("url", (it.url,), None, name, kind), tmp_path / "raw", tmp_path / "partial")
    assert (tmp_path / "partial/checksums.json").exists()


def test_a_table_is_kept_as_it_is(tmp_path):
    (tmp_path / "raw").mkdir()
    with site(b"label,pixels\n") as it:
        sources.fetch(Url("url", (it.url,), None, "a.csv", TABLE), tmp_path / "raw", tmp_path / "partial")
    assert (tmp_path / "raw/a.csv").read_bytes() == b"label,pixels\n"
