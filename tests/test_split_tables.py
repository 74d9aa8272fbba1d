"""Tables side by side that are one data set, and lists of images and of class names."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sprout.config.formats import Pixels, Table
from sprout.data.formats import read_format
from sprout.data.formats.path_list import open_path_list
from sprout.data.importing.class_list import class_list
from sprout.data.importing.detect_format import Detected, detect_format
from sprout.data.importing.table_sample import UNSAID, Columns
from sprout.data.listing import Listing
from sprout.runtime.errors import UserError

FLOWERS = ["rose", "rose", "daisy", "daisy"]


def write(path: Path, **columns: list[Any]) -> None:
    """Write a table, in the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
        return
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def listed(root: Path, scratch: Path, columns: Columns = UNSAID) -> tuple[Detected, Listing]:
    """Detect a format and read the data."""
    detected = detect_format(root, scratch, columns)
    scratch.mkdir(exist_ok=True)
    listing = read_format(detected.root, scratch, detected.format)
    assert not listing.faults
    return detected, listing


def rows_of(listing: Listing, column: str = "label") -> list[tuple[list[float], Any, str | None]]:
    """Return features, target and split of each row."""
    targets = getattr(listing, column).to_pylist()
    splits = [None] * len(listing) if listing.split is None else listing.split.to_pylist()
    assert isinstance(listing.examples, np.ndarray)
    return list(zip(listing.examples.tolist(), targets, splits, strict=True))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_names_tell_the_splits(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"d/test{suffix}", width=[9, 8], kind=["rose", "daisy"])
    write(tmp_path / f"d/train{suffix}", width=[1, 2, 3, 4], kind=FLOWERS)
    detected, listing = listed(tmp_path / "d", tmp_path / "scratch")
    assert isinstance(detected.format, Table)
    assert detected.format.file == (f"train{suffix}", f"test{suffix}")
    assert rows_of(listing) == [
        *(([n + 1.0], kind, "train") for n, kind in enumerate(FLOWERS)),
        ([9.0], "rose", "test"),
        ([8.0], "daisy", "test"),
    ]
    assert listing.origin[4].as_py() == f"test{suffix} row 1"


def test_parts_are_joined(tmp_path: Path) -> None:
    for part, width in enumerate([1, 2]):
        name = f"part-0000{part}-1a2b-c000.snappy.parquet"
        write(tmp_path / "d" / name, width=[width, width + 10], kind=["rose", "daisy"])
    (tmp_path / "d/_SUCCESS").touch()
    _, listing = listed(tmp_path / "d", tmp_path / "scratch")
    assert [(row, label) for row, label, _ in rows_of(listing)] == [
        *(([1.0], "rose"), ([11.0], "daisy"), ([2.0], "rose"), ([12.0], "daisy")),
    ]
    assert listing.split is None


def test_numbered_files_of_splits(tmp_path: Path) -> None:
    for name, width in (("train-00000-of-00002", 1), ("train-00001-of-00002", 2), ("test-00000-of-00001", 3)):
        write(tmp_path / f"d/data/{name}.parquet", width=[width, width + 10], kind=["rose", "daisy"])
    _, listing = listed(tmp_path / "d", tmp_path / "scratch")
    assert [split for *_, split in rows_of(listing)] == ["train"] * 4 + ["test"] * 2
    assert [row for row, *_ in rows_of(listing)] == [[1.0], [11.0], [2.0], [12.0], [3.0], [13.0]]


def test_what_only_train_has_is_learned(tmp_path: Path) -> None:
    """As in competitions: the test split, whose classes nobody tells, becomes the pool."""
    write(tmp_path / "d/train.csv", Survived=["yes", "no"] * 2, Age=[1, 2, 3, 4])
    write(tmp_path / "d/test.csv", Age=[5, 6])
    write(tmp_path / "d/gender_submission.csv", Survived=["yes"], Age=[5])
    detected, listing = listed(tmp_path / "d", tmp_path / "scratch")
    assert rows_of(listing) == [
        *(([n + 1.0], ("yes", "no")[n % 2], "train") for n in range(4)),
        *(([float(n)], None, "unlabelled") for n in (5, 6)),
    ]
    assert "test: no row has a label; they become the unlabelled examples" in listing.notes
    assert not [note for note in detected.notes if "not read" in note]


def test_rows_without_a_number_to_learn_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "d/train.csv", SalePrice=[1.5, 2.5, 3.5], Area=[10, 20, 30])
    write(tmp_path / "d/test.csv", Area=[5, 6])
    detected, listing = listed(tmp_path / "d", tmp_path / "scratch")
    assert rows_of(listing, "value") == [([10.0], 1.5, None), ([20.0], 2.5, None), ([30.0], 3.5, None)]
    assert "not read: test.csv, which has no column 'SalePrice'" in detected.notes


def test_another_target_leaves_the_test_table_out(tmp_path: Path) -> None:
    write(tmp_path / "d/train.csv", kind=FLOWERS, width=[1, 2, 3, 4], place=["a", "b", "a", "b"])
    write(tmp_path / "d/test.csv", width=[5, 6], place=["a", "b"])
    detected, listing = listed(tmp_path / "d", tmp_path / "scratch", Columns("place"))
    assert [label for _, label, _ in rows_of(listing)] == ["a", "b", "a", "b"]
    assert "not read: test.csv, which has no column 'kind'" in detected.notes


def test_pixels_without_labels_are_not_read(tmp_path: Path) -> None:
    pixels = {f"pixel{n}": [n, 1] for n in range(16)}
    write(tmp_path / "d/train.csv", label=[0, 1], **pixels)
    write(tmp_path / "d/test.csv", **pixels)
    detected, _ = listed(tmp_path / "d", tmp_path / "scratch")
    assert isinstance(detected.format, Pixels)
    assert (detected.format.train, detected.format.test) == ("train.csv", None)
    assert "not read: test.csv, which has no column 'label'" in detected.notes


def test_other_columns_are_asked_about(tmp_path: Path) -> None:
    write(tmp_path / "d/train.csv", kind=FLOWERS, width=[1, 2, 3, 4])
    write(tmp_path / "d/test.csv", kind=FLOWERS, height=[1, 2, 3, 4])
    said = r"several tables \(test.csv, train.csv\), of which not all have 'height', 'width'; name the one to read"
    with pytest.raises(UserError, match=said):
        detect_format(tmp_path / "d", tmp_path / "scratch")


def test_a_table_without_a_feature_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", label=FLOWERS, width=[1, 2, 3, 4])
    write(tmp_path / "test.csv", label=FLOWERS)
    settings = detect_format(tmp_path / "train.csv", tmp_path / "scratch").format
    assert isinstance(settings, Table)
    both = Table(**{**vars(settings), "file": ("train.csv", "test.csv")})
    with pytest.raises(UserError, match=r"test\.csv: no column 'width'"):
        read_format(tmp_path, tmp_path, both)


@pytest.mark.parametrize(
    ("lines", "labels", "names"),
    [
        (["cat", "dog"], ["0", "1"], ("cat", "dog")),
        (["0 cat", "1 hot dog"], ["1"], ("cat", "hot dog")),
        (["cat: 0", "dog: 1"], ["0", "1"], ("cat", "dog")),
        (["2 cow", "0 cat", "1 dog"], ["0", "1", "2"], ("cat", "dog", "cow")),
        (["cow 2", "cat 0", "hot dog 1"], ["0"], ("cat", "hot dog", "cow")),
        (["1 cat", "2 dog"], ["1", "2"], None),
        (["cat", "dog"], ["1", "2"], None),
        (["cat", "cat"], ["0", "1"], None),
        (["7", "9"], ["0", "1"], None),
    ],
)
def test_a_list_of_classes(tmp_path: Path, lines: list[str], labels: list[str], names: tuple[str, ...] | None) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(lines) + "\n")
    assert class_list([tmp_path], labels) == ("classes.txt", names)
    assert class_list([tmp_path], ["cat"]) is None


def test_a_line_that_is_no_path_and_label(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a.jpg 0\n\nb.jpg\n")
    with pytest.raises(UserError, match=r"train.txt: line 3 is 'b.jpg', not a path and a label; correct it"):
        open_path_list(tmp_path / "train.txt", "train.txt")
    (tmp_path / "train.txt").write_bytes(b"\xff.jpg 0\n")
    with pytest.raises(UserError, match="not UTF-8 text"):
        open_path_list(tmp_path / "train.txt", "train.txt")


def test_a_val_table_with_the_number_to_learn_is_read(tmp_path: Path) -> None:
    write(tmp_path / "d/train.csv", price=[1.5, 2.5], area=[10, 20])
    write(tmp_path / "d/val.csv", area=[30, 40], price=[3.5, 4.5])
    write(tmp_path / "d/test.csv", area=[5, 6])
    detected, listing = listed(tmp_path / "d", tmp_path / "scratch")
    rows = [([10.0], 1.5, "train"), ([20.0], 2.5, "train"), ([30.0], 3.5, "val"), ([40.0], 4.5, "val")]
    assert rows_of(listing, "value") == rows
    assert "not read: test.csv, which has no column 'price'" in detected.notes


@pytest.mark.parametrize("columns", [UNSAID, Columns("label")])
def test_a_feature_that_test_lacks_is_no_target(tmp_path: Path, columns: Columns) -> None:
    write(tmp_path / "d/train.csv", label=FLOWERS, a=[1, 2, 3, 4], b=[5, 6, 7, 8])
    write(tmp_path / "d/test.csv", label=["rose"], a=[9])
    detected, listing = listed(tmp_path / "d", tmp_path / "scratch", columns)
    assert [label for _, label, _ in rows_of(listing)] == FLOWERS
    assert "not read: test.csv, which has no column 'b'" in detected.notes


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    write(tmp_path / "d/train-00000-of-00002.parquet", a=[1, 2], label=["x", "y"])
    with pytest.raises(UserError, match=r"d/train-00001-of-00002\.parquet: missing, as .* is one of 2; download it"):
        detect_format(tmp_path / "d", tmp_path / "scratch")


def test_a_partition_is_refused(tmp_path: Path) -> None:
    for quality in ("good", "bad"):
        write(tmp_path / f"d/quality={quality}/part-0.parquet", a=[1, 2])
    with pytest.raises(UserError, match="whose name is the column 'quality' of its tables, is not read"):
        detect_format(tmp_path / "d", tmp_path / "scratch")


def test_a_list_of_paths_alone_is_the_pool(tmp_path: Path) -> None:
    names = [f"images/{number}.png" for number in range(5)]
    for number, name in enumerate(names):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), number).save(tmp_path / "d" / name)
    (tmp_path / "d/train.txt").write_text("".join(f"{name} {'ab'[n % 2]}\n" for n, name in enumerate(names[:4])))
    (tmp_path / "d/test.txt").write_text(f"{names[4]}\n")
    _, listing = listed(tmp_path / "d", tmp_path / "scratch")
    assert listing.label is not None
    assert listing.split is not None
    assert listing.label.to_pylist() == ["a", "b", "a", "b", None]
    assert listing.split.to_pylist() == ["train"] * 4 + ["unlabelled"]


def test_whole_numbers_written_as_floats_are_the_same_classes(tmp_path: Path) -> None:
    """As pandas writes a column of whole numbers with a missing one."""
    write(tmp_path / "d/train.csv", label=["0.0", "1.0", "", "1.0"], a=[1, 2, 3, 4])
    write(tmp_path / "d/test.csv", label=[0, 1], a=[5, 6])
    _, listing = listed(tmp_path / "d", tmp_path / "scratch")
    assert [label for _, label, _ in rows_of(listing)] == ["0", "1", None, "1", "0", "1"]
    write(tmp_path / "e/t.csv", a=[1, 2, 3, 4], label=["1.0", "1.5", "x", "1.0"])
    _, listing = listed(tmp_path / "e", tmp_path / "scratch2")
    assert [label for _, label, _ in rows_of(listing)] == ["1.0", "1.5", "x", "1.0"]


def test_an_error_names_the_archive(tmp_path: Path) -> None:
    write(tmp_path / "d/train.csv", kind=FLOWERS, width=[1, 2, 3, 4])
    write(tmp_path / "d/test.csv", kind=FLOWERS, height=[1, 2, 3, 4])
    archive = shutil.make_archive(str(tmp_path / "flowers"), "zip", tmp_path / "d")
    with pytest.raises(UserError, match=rf"^{archive}: several tables"):
        detect_format(Path(archive), tmp_path / "scratch")
