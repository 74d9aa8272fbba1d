"""The format `pixels`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sprout.config.formats import FORMATS
from sprout.config.validate import choice
from sprout.data.formats import csv_file, npy, read_format
from sprout.data.listing import Listing
from sprout.runtime.errors import UserError

WIDE = "label,p1,p2,p3,p4"
PACKED = "emotion, pixels, Usage"


def listed(root: Path, **options: Any) -> Listing:
    (root / "scratch").mkdir(exist_ok=True)
    defaults = {"train": "train.csv", "test": None, "shape": None, "classes": None}
    return read_format(
        root, root / "scratch", choice("format", {"kind": "pixels", **defaults | options}, "kind", FORMATS)
    )


def write(root: Path, *lines: str, name: str = "train.csv") -> Path:
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def images(listing: Listing) -> np.ndarray[Any, Any]:
    assert isinstance(listing.examples, np.ndarray)
    assert listing.examples.dtype == np.uint8
    return listing.examples


@pytest.mark.parametrize("head", [WIDE, "class;1x1;1x2;2x1;2x2", '"Target","a","b","c","d"'])
def test_one_pixel_per_column(tmp_path: Path, head: str) -> None:
    separator = ";" if ";" in head else ","
    listing = listed(
        write(tmp_path, head, *(row.replace(",", separator) for row in ("7,0,1,2,255", "None,4,5.0, 6,007")))
    )
    np.testing.assert_array_equal(images(listing), [[[0, 1], [2, 255]], [[4, 5], [6, 7]]])
    assert listing.label is not None
    assert listing.label.to_pylist() == ["7", "None"]
    assert listing.origin.to_pylist() == ["train.csv row 1", "train.csv row 2"]
    assert listing.split is None
    assert not listing.faults


def test_all_pixels_in_a_column(tmp_path: Path) -> None:
    rows = ["0,1 2 3 4,Training", "1, 5 6  7 8 ,PublicTest", "2,9 9 9 9,PrivateTest"]
    listing = listed(write(tmp_path, PACKED, *rows), classes=("angry", "disgust", "fear"))
    np.testing.assert_array_equal(images(listing).reshape(3, 4), [[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]])
    assert listing.label is not None
    assert listing.label.to_pylist() == ["angry", "disgust", "fear"]
    assert listing.split is not None
    assert listing.split.to_pylist() == ["train", "val", "test"]
    assert not listing.faults


def test_columns_in_another_order(tmp_path: Path) -> None:
    listing = listed(write(tmp_path, "emotion, Usage, pixels", "3,Training,1 2 3 4"))
    np.testing.assert_array_equal(images(listing).ravel(), [1, 2, 3, 4])


def test_a_test_file(tmp_path: Path) -> None:
    write(tmp_path, WIDE, "a,1,1,1,1", "b,2,2,2,x")
    write(tmp_path, WIDE, "a,3,3,3,3", "b,4,4", name="test.csv")
    listing = listed(tmp_path, test="test.csv")
    assert listing.split is not None
    assert listing.split.to_pylist() == ["train", "train", "test", "test"]
    assert images(listing)[:, 0, 0].tolist() == [1, 0, 3, 0]
    assert listing.origin[3].as_py() == "test.csv row 2"
    assert list(listing.faults) == [1, 3]


def test_a_shape(tmp_path: Path) -> None:
    listing = listed(write(tmp_path, "label," + ",".join("abcdef"), "x,1,2,3,4,5,6"), shape=(1, 2, 3))
    np.testing.assert_array_equal(images(listing), [[[[1, 2, 3], [4, 5, 6]]]])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("7,1,2,3", "3 pixels instead of 4"),
        ("7,1,2,3,4,5", "5 pixels instead of 4"),
        ("7", "0 pixels instead of 4"),
        ("7,1,2,300,4", "pixel 3 is '300', not an integer in 0..255"),
        ("7,1,256,300,4", "pixel 2 is '256', not an integer in 0..255"),
        ("7,-1,2,3,4", "pixel 1 is '-1'"),
        ("7,1,2,3.5,4", "pixel 3 is '3.5'"),
        ("7,1,2,abc,4", "pixel 3 is 'abc'"),
        ("7,1,nan,3,4", "pixel 2 is 'nan'"),
        ("7,1,,3,4", "pixel 2 is ''"),
        (",1,2,3,4", "no label"),
        ("99,1,2,3,4", "label '99' is none of the classes"),
    ],
)
def test_a_fault_with_one_pixel_per_column(tmp_path: Path, row: str, reason: str) -> None:
    listing = listed(write(tmp_path, WIDE, "1,9,9,9,9", row, "2,8,8,8,8"), classes=tuple("abcdefgh"))
    [(faulty, found)] = listing.faults.items()
    assert (faulty, len(listing)) == (1, 3)
    assert found.startswith(reason)
    assert images(listing)[:, 0, 0].tolist() == [9, 0 if "label" not in reason else 1, 8]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0,1 2 3,Training", "3 pixels instead of 4"),
        ("0,,Training", "0 pixels instead of 4"),
        ("0,1 2 3 4 5,Training", "5 pixels instead of 4"),
        ("0,1 2 3 256,Training", "pixel 4 is '256'"),
        ("0,1 x 3 4,Training", "pixel 2 is 'x'"),
        ("0,1 2 3 4", "2 fields where the header has 3"),
        (",1 2 3 4,Training", "no label"),
        ("0,1 2 3 4,Holdout", "Usage 'holdout' is none of Training, PublicTest, PrivateTest"),
    ],
)
def test_a_fault_with_all_pixels_in_a_column(tmp_path: Path, row: str, reason: str) -> None:
    listing = listed(write(tmp_path, PACKED, "0,9 9 9 9,Training", row, "1,8 8 8 8,Training"))
    [(faulty, found)] = listing.faults.items()
    assert (faulty, len(listing)) == (1, 3)
    assert found.startswith(reason)
    assert images(listing)[[0, 2], 0, 0].tolist() == [9, 8]


def test_rows_with_faults_only(tmp_path: Path) -> None:
    listing = listed(write(tmp_path, WIDE, "1,2", "1,x,2,3,4"))
    assert list(listing.faults) == [0, 1]


def test_many_blocks_in_a_file_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "BLOCK", 200)
    monkeypatch.setattr(npy, "IN_MEMORY", 100)
    rows = [f"{n % 10},{n % 256},1,2" + ",3" * (n % 7 != 0) for n in range(500)]
    listing = listed(write(tmp_path, WIDE, *rows))
    assert isinstance(listing.examples, np.memmap)
    assert list(listing.faults) == [n for n in range(500) if n % 7 == 0]
    assert images(listing)[:, 0, 0].tolist() == [0 if n % 7 == 0 else n % 256 for n in range(500)]


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["5,0,0,0,0", "1,0,0,0,0"], {}, "train.csv: the first line has '0' twice; add a header"),
        (["5,0,1", "1,0,0"], {}, "train.csv: the first line is '5', '0', '1'; accepted: a header"),
        (["pixel0,pixel1", "1,2"], {}, "train.csv: the first line is 'pixel0', 'pixel1'; accepted: a header"),
        (["label", "1"], {}, "train.csv: the first line is 'label'"),
        ([WIDE], {}, "train.csv: a header without rows"),
        (["label,a,b,c", "1,1,2,3"], {}, "train.csv: images of 3 pixels, but 1×1 grey ones have 1"),
        ([WIDE, "1,1,2,3,4"], {"shape": (2, 2, 3)}, "train.csv: images of 4 pixels, but shape=[2, 2, 3] has 12"),
        ([PACKED, "0,1 2 3,Training"], {}, "train.csv: images of 3 pixels"),
        ([PACKED, "0,,Training"], {}, "train.csv: images of 0 pixels"),
        ([WIDE, "1,1,2,3,4"], {"test": "test.csv"}, "test.csv: no such file"),
        ([""], {}, "train.csv: an empty file"),
    ],
)
def test_refused(tmp_path: Path, lines: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        listed(write(tmp_path, *lines), **options)
    assert message in str(caught.value)


def test_a_test_file_of_another_size(tmp_path: Path) -> None:
    write(tmp_path, WIDE, "1,1,2,3,4")
    write(tmp_path, "label,a", "1,1", name="test.csv")
    with pytest.raises(UserError, match=r"test\.csv: images of 1 pixels"):
        listed(tmp_path, test="test.csv")
