"""Files as they came: an archive that stands alone is unpacked."""

import zipfile
from pathlib import Path

import pytest

from sprout.data.sources.files import read_files
from sprout.runtime.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With an archive of two class folders."""
    (tmp_path / "came").mkdir()
    with zipfile.ZipFile(tmp_path / "came/set.zip", "w") as archive:
        for name in ("cat/1.png", "dog/2.png"):
            archive.writestr(name, b"picture")
    return tmp_path / "came"


@pytest.mark.parametrize("beside", ["manifest.json", ".DS_Store", "Thumbs.db"])
def test_an_archive_beside_what_does_not_count(folder: Path, tmp_path: Path, beside: str) -> None:
    (folder / beside).write_text("{}")
    listing = read_files(folder, tmp_path / "scratch", kind="folders")
    assert listing.origin.to_pylist() == ["cat/1.png", "dog/2.png"]


def test_an_archive_beside_other_files_is_one_of_them(folder: Path, tmp_path: Path) -> None:
    (folder / "other.png").write_bytes(b"picture")
    listing = read_files(folder, tmp_path / "scratch", kind="folders")
    assert listing.origin.to_pylist() == ["other.png", "set.zip"]


def test_a_single_file_that_is_no_archive(folder: Path, tmp_path: Path) -> None:
    (folder / "set.zip").write_bytes(b"<html>")
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match=r"set.zip: not an archive; accepted: zip, or tar"):
        read_files(folder, tmp_path / "scratch", kind="folders")


def test_an_archive_is_named_not_where_it_was_unpacked_to(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        archive.mkdir("cat")
    with pytest.raises(UserError, match=rf"^{folder}/set.zip: no files here"):
        read_files(folder, tmp_path / "scratch", kind="folders")


def test_a_file_that_is_missing_is_missing_in_the_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "set.zip").rename(folder / "t.csv")
    (folder / "t.csv").write_text("path\n")
    form = {"path": "path", "label": None, "split": None, "group": None, "classes": None}
    with pytest.raises(UserError, match=rf"u.csv: no such file in {folder}; there are: t.csv"):
        read_files(folder, tmp_path / "scratch", kind="paths", file="u.csv", **form)
