"""The record of the files that came."""

import hashlib

import pytest

from sprout.core.errors import UserError
from sprout.core.records import read_json
from sprout.sources.raw import MANIFEST, checksum, verify, write_manifest

FILES = {"b.bin": b"12345", "sub/a.bin": b"", "a.bin": bytes(range(256))}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    write_manifest(tmp_path / "raw", "digits")
    return tmp_path / "raw"


def test_checksum(tmp_path):
    data = bytes(range(256)) * 1000
    (tmp_path / "file").write_bytes(data)
    assert checksum(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_every_file_is_recorded(folder):
    manifest = read_json(folder / MANIFEST)
    assert manifest["source"] == "digits"
    assert manifest["files"] == [
        {"path": name, "bytes": len(FILES[name]), "sha256": hashlib.sha256(FILES[name]).hexdigest()}
        for name in sorted(FILES)
    ]


def test_what_is_as_recorded_passes(folder):
    assert verify(folder) is None


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused(folder, name):
    (folder / name).write_bytes(FILES[name] + b"x")
    with pytest.raises(UserError) as refused:
        verify(folder)
    expected, found = (hashlib.sha256(data).hexdigest() for data in (FILES[name], FILES[name] + b"x"))
    assert str(refused.value) == (
        f"{folder / name}: expected SHA-256 {expected}, found {found}; run `dvc repro -f download`"
    )


def test_a_missing_file_is_refused(folder):
    (folder / "b.bin").unlink()
    with pytest.raises(UserError, match=r"b\.bin: expected SHA-256 [0-9a-f]{64}, found no file"):
        verify(folder)
