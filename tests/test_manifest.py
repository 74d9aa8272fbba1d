"""The record of downloaded files."""

import hashlib

import pytest

from sprout.data import manifest
from sprout.data.manifest import MANIFEST, checksum, checksums, verify, write_manifest
from sprout.runtime import progress
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json

FILES = {"b.bin": b"12345", "sub/a.bin": b"", "a.bin": bytes(range(256)) * 10, "new\nline é e\u0301": b"1"}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    write_manifest(tmp_path / "raw", "digits")
    return tmp_path / "raw"


def test_every_file_is_recorded(folder):
    recorded = read_json(folder / MANIFEST)
    assert recorded["source"] == "digits"
    assert sorted(recorded["files"], key=lambda entry: entry["path"]) == [
        {"path": name, "bytes": len(FILES[name]), "sha256": hashlib.sha256(FILES[name]).hexdigest()}
        for name in sorted(FILES)
    ]


def test_unchanged_files_pass(folder):
    assert verify(folder) is None


def test_a_folder_without_files(tmp_path):
    write_manifest(tmp_path, "local")
    verify(tmp_path)
    assert read_json(tmp_path / MANIFEST) == {"source": "local", "files": []}


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused(folder, name):
    (folder / name).write_bytes(FILES[name] + b"x")
    with pytest.raises(UserError) as refused:
        verify(folder)
    expected, found = (hashlib.sha256(data).hexdigest() for data in (FILES[name], FILES[name] + b"x"))
    assert str(refused.value).startswith(f"{folder / name}: expected SHA-256 {expected}, found {found}; ")
    assert "`dvc repro -f download`" in str(refused.value)


def test_a_missing_file_is_refused(folder):
    (folder / "b.bin").unlink()
    with pytest.raises(UserError, match=r"b\.bin: expected SHA-256 [0-9a-f]{64}, found no file"):
        verify(folder)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_checksums(tmp_path, monkeypatch, capsys, algorithm):
    """One for each file, also if it is empty; progress counts the pieces of all files."""
    monkeypatch.setattr(manifest, "CHUNK", 1000)
    monkeypatch.setattr(progress, "SECONDS", -1.0)
    contents = [bytes(2500), b"", b"1" * 1000, b"2"]
    paths = [tmp_path / str(at) for at in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    assert list(checksums(paths, algorithm)) == [hashlib.new(algorithm, data).hexdigest() for data in contents]
    assert capsys.readouterr().err.splitlines() == [f"checksum (MiB): {done}/6" for done in range(7)]
    assert checksum(paths[0]) == hashlib.sha256(contents[0]).hexdigest()
