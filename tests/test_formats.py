"""A folder whose only file is an archive is read from the archive."""

import zipfile
from pathlib import Path

import pytest

from sprout.config.formats import Folders, Paths
from sprout.data.formats import read_files
from sprout.runtime.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an archive of two class folders."""
    (tmp_path / "came").mkdir()
    with zipfile.ZipFile(tmp_path / "came/set.zip", "w") as archive:
        for name in ("cat/1.png", "dog/2.png"):
            archive.writestr(name, b"picture")
    return tmp_path / "came"


@pytest.mark.parametrize("beside", ["manifest.json", ".DS_Store", "Thumbs.db"])
def test_an_archive_beside_ignored_files(folder: Path, tmp_path: Path, beside: str) -> None:
    (folder / beside).write_text("{}")
    listing = read_files(folder, tmp_path / "scratch", Folders("folders"))
    assert listing.origin.to_pylist() == ["cat/1.png", "dog/2.png"]


def test_an_archive_beside_other_files_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    (folder / "other.png").write_bytes(b"picture")
    listing = read_files(folder, tmp_path / "scratch", Folders("folders"))
    assert listing.origin.to_pylist() == ["other.png", "set.zip"]


def test_a_single_file_that_is_not_an_archive(folder: Path, tmp_path: Path) -> None:
    (folder / "set.zip").write_bytes(b"<html>")
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match=r"set.zip: not an archive; accepted: zip, or tar"):
        read_files(folder, tmp_path / "scratch", Folders("folders"))


def test_errors_name_the_archive_not_the_scratch_folder(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        archive.mkdir("cat")
    with pytest.raises(UserError, match=rf"^{folder}/set.zip: no files here"):
        read_files(folder, tmp_path / "scratch", Folders("folders"))


def test_errors_name_the_folder_of_a_missing_file(folder: Path, tmp_path: Path) -> None:
    (folder / "set.zip").rename(folder / "t.csv")
    (folder / "t.csv").write_text("path\n")
    nothing = {"label": None, "split": None, "group": None, "classes": None, "missing": None}
    settings = Paths("paths", file="u.csv", path="path", folder_splits=False, unlisted="ignored", **nothing)
    with pytest.raises(UserError, match=rf"u.csv: no such file in {folder}; there are: t.csv"):
        read_files(folder, tmp_path / "scratch", settings)
