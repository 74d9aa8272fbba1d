"""All sources: each is found by its name, and a new one needs only its own files."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from sprout.config.download import DOWNLOADS, Local
from sprout.config.formats import Folders, Paths
from sprout.data import sources
from sprout.data.listing import Listing
from sprout.runtime.errors import UserError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("source", DOWNLOADS)
def test_a_source_is_the_module_of_its_name(source: str) -> None:
    module = sources.module_of(DOWNLOADS[source](**example(source)))
    assert module.__name__ == f"sprout.data.sources.{source}"  # type: ignore[attr-defined]
    assert callable(module.fetch)
    assert callable(module.read)


def example(source: str) -> dict[str, Any]:
    """Settings from a file of `conf/download`; local data is never in the repository."""
    if source == "local":
        return {"source": "local", "name": "mine", "format": Folders("folders")}
    files = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "conf/download").glob("*.yaml"))]
    values: dict[str, Any] = next(each for each in files if each["source"] == source)
    if source == "target":
        values |= {"target": "package.Class"}
    if source == "url":
        values |= {"urls": ("a",), "format": Folders("folders")}
    if source == "s3":
        values |= {"url": "s3://bucket/prefix", "format": Paths(**values["format"])}
    return values


def test_a_new_source_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Toy:
        source: str
        rows: int

    module = ModuleType("sprout.data.sources.toy")
    module.fetch = lambda settings, folder, partial: (folder / "rows").write_text(str(settings.rows))  # type: ignore[attr-defined]
    module.read = lambda settings, folder, scratch: Listing(  # type: ignore[attr-defined]
        np.zeros((int((folder / "rows").read_text()), 2), np.float32), pa.array(["row"] * settings.rows)
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    toy: Any = Toy("toy", 3)
    sources.fetch(toy, tmp_path, tmp_path)
    assert len(sources.read(toy, tmp_path, tmp_path)) == 3


class TestLocal:
    """Files of one's own, which stay where they are."""

    SETTINGS = Local("local", "mine", Folders("folders"))

    @pytest.fixture(autouse=True)
    def workspace(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def test_they_are_read_in_place(self, tmp_path: Path) -> None:
        (tmp_path / "data/source/mine/cat").mkdir(parents=True)
        (tmp_path / "data/source/mine/cat/1.png").touch()
        (tmp_path / "raw").mkdir()
        sources.fetch(self.SETTINGS, tmp_path / "raw", tmp_path / "partial")
        assert list((tmp_path / "raw").iterdir()) == []
        assert sources.read(self.SETTINGS, tmp_path / "raw", tmp_path / "scratch").origin.to_pylist() == ["cat/1.png"]

    def test_a_missing_folder_is_refused_with_those_that_exist(self, tmp_path: Path) -> None:
        (tmp_path / "data/source/other").mkdir(parents=True)
        with pytest.raises(UserError, match=r"download\.name=mine: .* there are: other; .*sprout new mine"):
            sources.fetch(self.SETTINGS, tmp_path, tmp_path)

    def test_a_folder_that_dvc_tracks_can_be_pulled(self, tmp_path: Path) -> None:
        (tmp_path / "data/source").mkdir(parents=True)
        (tmp_path / "data/source/mine.dvc").touch()
        with pytest.raises(UserError, match=r"`dvc pull` brings"):
            sources.fetch(self.SETTINGS, tmp_path, tmp_path)
