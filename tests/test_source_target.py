"""The source `target`: a class of one's own brings the data."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sprout.config.download import DOWNLOADS, Target
from sprout.config.validate import choice
from sprout.data import sources
from sprout.data.listing import Listing
from sprout.data.sources.target import DataSource
from sprout.runtime.errors import UserError

SHAPES = """
import numpy as np
import pyarrow as pa
from sprout.data.listing import Listing
from sprout.data.sources.target import DataSource

class Shapes(DataSource):
    def __init__(self, count):
        self.count = count

    def fetch(self, folder):
        np.save(folder / "rows.npy", np.arange(self.count))

    def read(self, folder, scratch):
        rows = np.load(folder / "rows.npy")
        images = np.stack([np.full((4, 4), row, np.uint8) for row in rows])
        names = pa.array([f"row {row}" for row in rows])
        return Listing(images, names, label=pa.array(["even", "odd"]).take(pa.array(rows % 2)))

class Other:
    pass
"""


@pytest.fixture(autouse=True)
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "own_shapes.py").write_text(SHAPES)
    monkeypatch.syspath_prepend(tmp_path / "modules")


def settings(target: str = "own_shapes.Shapes", **args: Any) -> Target:
    found = choice("download", {"source": "target", "target": target, "args": args}, "source", DOWNLOADS)
    assert isinstance(found, Target)
    return found


def test_a_source_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    sources.fetch(settings(count=5), tmp_path / "raw", tmp_path)
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["rows.npy"]
    listing = sources.read(settings(count=5), tmp_path / "raw", tmp_path)
    assert isinstance(listing.examples, np.ndarray)
    assert listing.examples[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert listing.label is not None
    assert listing.label.to_pylist() == ["even", "odd", "even", "odd", "even"]


@pytest.mark.parametrize(
    ("target", "args", "message"),
    [
        ("own_shapes.Shape", {}, r"download\.target=own_shapes\.Shape: cannot be imported .*give package\.Class"),
        ("own_shapes.Other", {}, r"is not a subclass of sprout\.data\.sources\.target\.DataSource"),
        ("own_shapes.Shapes", {"size": 1}, r"unexpected keyword argument 'size'; check download\.args"),
        ("sprout.data.sources.target.DataSource", {}, r"abstract method.*; check download\.args"),
        ("Shapes", {}, r'download\.target="Shapes": .*package\.Class'),
    ],
)
def test_a_class_that_is_no_source(tmp_path: Path, target: str, args: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sources.fetch(settings(target, **args), tmp_path, tmp_path)


class Fixed(DataSource):
    """Returns what it is made with."""

    listing: Any = None

    def read(self, folder: Path, scratch: Path) -> Listing:
        found: Listing = self.listing
        return found


IMAGES, NAMES = np.zeros((2, 3, 3), np.uint8), pa.array(["a", "b"])


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (None, "returned NoneType, not a Listing"),
        (Listing(IMAGES, pa.array(["a"])), "has 1 `origin` for 2 examples"),
        (Listing(IMAGES, NAMES, label=pa.array([0, 1])), "has `label` of int64, not a pyarrow array of string"),
        (Listing(IMAGES, ["a", "b"]), "has `origin` of list, not a pyarrow array of string"),
        (Listing(IMAGES, NAMES, split=pa.array(["train", "dev"])), "has the split 'dev'; accepted: train, val"),
        (Listing(np.zeros((2, 3)), NAMES), r"`examples` of shape \(2, 3\), float64; accepted: images"),
        (Listing([1, 2], NAMES), "`examples` of list; accepted: Files, or an array"),  # type: ignore[arg-type]
    ],
)
def test_a_listing_that_is_not_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: Any, message: str
) -> None:
    monkeypatch.setattr(Fixed, "listing", listing)
    with pytest.raises(UserError, match=rf"download\.target=.*Fixed: read\(\) .*{message}.*; see sprout.data.listing"):
        sources.read(settings(f"{__name__}.Fixed"), tmp_path, tmp_path)


def test_what_is_missing_in_a_listing_is_unlabelled_or_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([[0, 1], [np.nan, 2], [3, np.inf], [4, 5], [6, 7]], np.float32)
    names = pa.array(list("abcde"), pa.large_string())
    label, split = pa.array(["x", "y", "x", None, None]), pa.array([None, None, None, None, "test"], pa.string())
    monkeypatch.setattr(Fixed, "listing", Listing(rows, names, label=label, split=split, filled=[0]))
    found = sources.read(settings(f"{__name__}.Fixed"), tmp_path, tmp_path)
    assert found.split is not None
    assert found.split.to_pylist() == [None, None, None, "unlabelled", "test"]
    assert found.faults == {2: "a feature is not a finite number", 4: "no label"}
    monkeypatch.setattr(Fixed, "listing", Listing(rows, names, value=pa.array([1.0, 2, 3, np.nan, 5]), filled=[0, 1]))
    found = sources.read(settings(f"{__name__}.Fixed"), tmp_path, tmp_path)
    assert found.faults == {2: "a feature is not a finite number", 3: "the target is not a finite number"}
