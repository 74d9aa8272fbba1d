"""The source `url`: its checksum is given, or the first one that is found is kept."""

import hashlib

import pytest

from servers import changed, hang_up, site
from sprout.data import sources
from sprout.data.sources import http
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json

DATA, OTHER = b"one" * 1000, b"two" * 1000
SHA256, OTHERS = (hashlib.sha256(data).hexdigest() for data in (DATA, OTHER))


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(http, "WAIT", 0.001)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def fetch(tmp_path):
    """Fetch as the stage does; return what came, by name."""

    def fetch(*urls, sha256=None, file=None):
        folder = tmp_path / "raw"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        sources.fetch(folder, tmp_path / "parts", source="url", urls=urls, sha256=sha256, file=file, form={})
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    return fetch


def test_a_given_checksum(fetch, capsys):
    with site(DATA, hang_up) as it:
        assert fetch(it.url, sha256=SHA256) == {"data.bin": DATA}
    assert "hold later fetches" not in capsys.readouterr().err


def test_a_given_checksum_of_another_file(fetch):
    with site(OTHER) as it, pytest.raises(UserError) as refused:
        fetch(it.url, sha256=SHA256)
    assert str(refused.value) == (
        f"data.bin cannot be had from {it.url}: expected SHA-256 {SHA256}, found {OTHERS}; "
        "set download.urls to where the file is, or download.sha256 to the checksum of the right one"
    )


def test_the_first_checksum_is_kept(fetch, tmp_path, capsys):
    record = tmp_path / "parts" / "checksums.json"
    with site(DATA, hang_up) as it:
        assert fetch(it.url) == {"data.bin": DATA}
        assert f"download.sha256={SHA256}" in capsys.readouterr().err
        assert read_json(record) == {it.url: SHA256}
        assert fetch(it.url) == {"data.bin": DATA}
        it.faults.append(changed(OTHER))
        with pytest.raises(UserError) as refused:
            fetch(it.url)
        assert str(refused.value) == (
            f"data.bin cannot be had from {it.url}: expected SHA-256 {SHA256}, found {OTHERS}; the expected one is "
            f"of the first fetch ({record}); set download.sha256 to the right one"
        )
        assert read_json(record) == {it.url: SHA256}
        assert fetch(it.url, sha256=OTHERS) == {"data.bin": OTHER}
        assert fetch(it.url) == {"data.bin": OTHER}


def test_mirrors_share_what_is_known(fetch):
    with site(DATA) as first, site(OTHER) as second:
        fetch(first.url)
        assert fetch(second.url, first.url) == {"data.bin": DATA}
        with pytest.raises(UserError, match=f"expected SHA-256 {SHA256}, found {OTHERS}"):
            fetch(second.url)


def test_a_password_is_not_kept(fetch, tmp_path):
    with site(DATA) as it:
        fetch(it.url.replace("http://", "http://me:secret@"))
        assert it.asked[0]["Authorization"].startswith("Basic ")
    assert [*read_json(tmp_path / "parts" / "checksums.json")] == [it.url.replace("http://", "http://me:***@")]


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
def test_the_name_is_the_address_s(fetch, path, name):
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
def test_a_name_that_no_file_can_have(fetch, path, file):
    with site(DATA) as it, pytest.raises(UserError, match=r"download\.file=.*set download\.file to another name"):
        fetch(f"{it.address}/{path}", file=file)
    assert it.asked == []
