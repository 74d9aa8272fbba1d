"""Detection of the format of a user's data."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sprout.config.formats import FORMATS
from sprout.config.validate import choice
from sprout.data.formats import read_format
from sprout.data.importing.detect_format import detect_format
from sprout.data.importing.table_columns import ask_what_is_missing
from sprout.data.importing.table_sample import Columns
from sprout.runtime.errors import UserError


@pytest.fixture
def form_of(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The format of a path under `data`; the settings accept it, and the data can be read with it."""

    def form(name: str = "") -> dict[str, Any]:
        scratch = tmp_path / "scratch"
        (scratch / "arrays").mkdir(parents=True)
        found = detect_format(tmp_path / "data" / name, scratch)
        form = asdict(found.format)
        assert choice("format", form, "kind", FORMATS) == found.format
        assert len(read_format(found.root, scratch / "arrays", found.format))
        return form

    return form


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4)).save(path)


def table(head: str, row: Callable[[int], str], rows: int = 40) -> str:
    return "\n".join([head, *map(row, range(rows))]) + "\n"


@pytest.mark.parametrize("layout", [["a/1.png", "b/2.png"], ["train/a/1.png", "test/a/2.png"], ["1.png", "2.png"]])
def test_images_in_folders(data: Path, form_of: Callable[..., dict[str, Any]], layout: list[str]) -> None:
    for name in layout:
        image(data / name)
    assert form_of() == {"kind": "folders"}


def test_class_folders_with_a_table_of_something_else(data: Path, form_of: Callable[..., dict[str, Any]]) -> None:
    image(data / "a/1.png")
    image(data / "b/2.png")
    (data / "lengths.csv").write_text(table("width,species", lambda row: f"{row}.5,{'ab'[row % 2]}"))
    assert form_of() == {"kind": "folders"}


@pytest.mark.parametrize("place", ["", "labels.csv"])
def test_a_table_of_paths_by_what_its_columns_hold(
    data: Path, form_of: Callable[..., dict[str, Any]], place: str
) -> None:
    image(data / "images" / "1.png")
    image(data / "images" / "2.png")
    (data / "labels.csv").write_text(
        "Number,Shot,Class,Usage,Patient\n1,images/1.png,a,train,x\n2,images/2.png,b,test,y\n"
    )
    columns = {"path": "Shot", "label": "Class", "split": "Usage", "group": "Patient"}
    others = {"folder_splits": False, "unlisted": "ignored", "classes": None, "missing": None}
    assert form_of(place) == {"kind": "paths", "file": "labels.csv", **columns, **others}


def test_an_archive_is_unpacked(data: Path, form_of: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    image(data / "inner" / "1.png")
    (data / "inner" / "labels.csv").write_text("file,kind\n1.png,a\n")
    shutil.make_archive(str(tmp_path / "packed"), "gztar", data)
    shutil.rmtree(data / "inner")
    (tmp_path / "packed.tar.gz").rename(data / "some.bin")
    assert form_of()["file"] == "inner/labels.csv"


def test_a_pair_of_pixel_tables(data: Path, form_of: Callable[..., dict[str, Any]]) -> None:
    head = "label," + ",".join(f"pixel{number}" for number in range(1, 28))
    for part in ("train", "test"):
        (data / f"cifar_{part}.csv").write_text(table(head, lambda row: f"{row % 3}" + ",7" * 27))
    pair = {"kind": "pixels", "train": "cifar_train.csv", "test": "cifar_test.csv"}
    assert form_of() == {**pair, "shape": (3, 3, 3), "classes": None}


def test_pixels_in_one_column(data: Path, form_of: Callable[..., dict[str, Any]]) -> None:
    (data / "fer.csv").write_text(table("emotion,pixels,Usage", lambda row: f"{row % 3},1 2 3 4,Training"))
    assert form_of("fer.csv") == {
        "kind": "pixels",
        "train": "fer.csv",
        "test": None,
        "shape": None,
        "classes": None,
    }


@pytest.mark.parametrize(
    ("names", "used"),
    [
        (["x_train", "y_train", "x_test", "y_test"], ["x_train", "y_train", "x_test", "y_test"]),
        (["Images", "Labels"], ["Images", "Labels", None, None]),
        (["train_images", "train_labels", "test_images"], ["train_images", "train_labels", None, None]),
        (["trainX", "trainY", "testX", "testY"], ["trainX", "trainY", "testX", "testY"]),
        (["data", "images", "label"], ["images", "label", None, None]),
        (["anything"], ["anything", None, None, None]),
    ],
)
def test_arrays_by_their_usual_names(
    data: Path, form_of: Callable[..., dict[str, Any]], names: list[str], used: list[str | None]
) -> None:
    examples, labels = np.zeros((4, 5, 5), np.uint8), np.arange(4)
    are_labels = [name[-1] == "Y" or name[0] in "yLl" or "labels" in name for name in names]
    arrays = {name: labels if known else examples for name, known in zip(names, are_labels, strict=True)}
    np.savez(data / "a.npz", **arrays)
    form = form_of("a.npz")
    keys = [name and f"a.npz:{name}" for name in used]
    assert [form[key] for key in ("train", "train_labels", "test", "test_labels")] == keys


def test_a_folder_of_arrays(data: Path, form_of: Callable[..., dict[str, Any]]) -> None:
    np.save(data / "x_train.npy", np.zeros((4, 3)))
    np.save(data / "y_train.npy", np.arange(4))
    form = form_of()
    assert (form["train"], form["train_labels"]) == ("x_train.npy", "y_train.npy")


def test_a_single_array_has_no_labels_and_that_is_reported(data: Path, tmp_path: Path) -> None:
    np.save(data / "x.npy", np.zeros((4, 3)))
    np.save(data / "y.npy", np.arange(4))
    found = detect_format(data / "x.npy", tmp_path)
    assert found.format.train_labels is None
    assert "no labels" in found.notes[0]


@pytest.mark.parametrize(
    ("target", "number"),
    [
        (lambda row: "xy"[row % 2], False),
        (lambda row: row % 3, False),
        (lambda row: ["true", "false"][row % 2], False),
        (lambda row: row % 30, True),
        (lambda row: row % 3 + 0.5, True),
    ],
)
@pytest.mark.parametrize("head", ["a,b,last", "TARGET,a,b"])
def test_the_target_of_a_plain_table(
    data: Path, form_of: Callable[..., dict[str, Any]], target: Callable[[int], Any], number: bool, head: str
) -> None:
    first = head.startswith("T")
    lines = table(head, lambda row: f"{target(row)},{row},1" if first else f"{row},1,{target(row)}")
    (data / "t.csv").write_text(lines)
    form = form_of("t.csv")
    assert (form["target"], form["number"], form["columns"]) == ("TARGET" if first else "last", number, None)


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("target", ["species", "weight"])
def test_a_decimal_comma_is_that_of_a_number(data: Path, tmp_path: Path, separator: str, target: str) -> None:
    text = table("weight;size;species", lambda row: f"{row},25;-{row},5;{'ab'[row % 2]}", 300)
    (data / "t.csv").write_text(text.replace(";", separator))
    found = detect_format(data / "t.csv", tmp_path, Columns(target))
    (tmp_path / "arrays").mkdir()
    listing = read_format(found.root, tmp_path / "arrays", found.format)
    assert not listing.faults
    assert (found.format.number, found.format.columns) == (target == "weight", None)
    if target == "weight":
        assert listing.value.to_pylist()[:2] == [0.25, 1.25]
    else:
        assert listing.examples[1].tolist() == [1.25, -1.5]


def test_columns_that_identify_rows_are_not_features(data: Path, form_of: Callable[..., dict[str, Any]]) -> None:
    columns = {
        "Id": list(range(300)),
        "note": [f"said {row}" for row in range(300)],
        "size": [row / 7 for row in range(300)],
        "colour": ["red", "blue", "green"] * 100,
        "species": ["a", "b"] * 150,
    }
    pq.write_table(pa.table(columns), data / "t.parquet")
    form = form_of("t.parquet")
    assert (form["target"], form["columns"]) == ("species", ("size", "colour"))


@pytest.mark.parametrize("value", ["300", "-1", "0.5", ""])
def test_a_value_that_is_no_pixel_makes_its_row_a_fault_and_no_table_of_features(
    data: Path, tmp_path: Path, value: str
) -> None:
    def row(number: int) -> str:
        return f"{number % 3},{value if number == 7 else 3}," + ",".join(["9"] * 15)

    (data / "t.csv").write_text(table("label," + ",".join(f"pixel{at}" for at in range(16)), row))
    found = detect_format(data / "t.csv", tmp_path)
    assert found.format.kind == "pixels"
    assert [*read_format(data, tmp_path, found.format).faults] == [7]


def test_columns_named_as_pixels_with_many_other_numbers_hold_features(data: Path, tmp_path: Path) -> None:
    head = "label," + ",".join(f"pixel{at}" for at in range(16))
    (data / "t.csv").write_text(table(head, lambda row: f"{row % 3}," + ",".join([f"{row - 20}"] * 16)))
    assert detect_format(data / "t.csv", tmp_path).format.kind == "table"


def test_a_misspelt_split_is_refused(data: Path, tmp_path: Path) -> None:
    (data / "t.csv").write_text(table("a,set,label", lambda row: f"{row},{['train', 'tset'][row % 2]},{row % 2}"))
    with pytest.raises(UserError, match=r"t\.csv: column 'set' names splits, but 'tset' is none of train, "):
        detect_format(data / "t.csv", tmp_path)


@pytest.mark.parametrize("labels", [["-1", "1"], ["-2", "-1", "0", "1"], ["0", "1", "2"], ["-1", "a", "b"]])
def test_other_negative_labels_are_classes(labels: list[str]) -> None:
    ask_what_is_missing(labels, "y", "y")


@pytest.mark.parametrize("head", ["a,label", "label," + ",".join(f"pixel{at}" for at in range(16))])
def test_a_single_negative_label_is_asked_about(data: Path, tmp_path: Path, head: str) -> None:
    def row(number: int) -> str:
        label = -5 if number == 7 else number % 3
        return f"{number}.5,{label}" if head[0] == "a" else f"{label}," + ",".join(["9"] * 16)

    (data / "t.csv").write_text(table(head, row))
    with pytest.raises(UserError, match=r"column 'label' has -5 beside numbers from 0 on: "):
        detect_format(data / "t.csv", tmp_path)


def test_a_split_column_of_unknown_values_is_not_used(data: Path, tmp_path: Path) -> None:
    (data / "t.csv").write_text(table("a,set,label", lambda row: f"{row},mornin,{row % 2}"))
    found = detect_format(data / "t.csv", tmp_path)
    assert found.format.split is None
    assert any("'mornin' is none of train" in line for line in found.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"%PDF\0", "accepted: class folders, .*docs/your_own_data.md"),
        ("a.csv", b"path,label\nimages/1.jpg,a\n", "names image files such as 'images/1.jpg': no such file"),
        ("a.csv", b"path,label\n/tmp/1.jpg,a\n", "an absolute path"),
        ("a.csv", b"", "an empty file"),
        ("a.csv", b"a,\n1,2\n3,4\n", "a.csv: no column can be a feature beside the target 'a'"),
        ("a.csv", b"a,b\n", "a header and no rows"),
        ("a.npz", b"PK\x03\x04", "a.npz: not a valid .npz file"),
        ("a.csv", b"emotion,pixels\n1,1 2 3 4 5\n", "5 pixels a row are not a square image"),
    ],
)
def test_data_in_no_known_format_is_refused(
    data: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (data / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        detect_format(data / name, tmp_path / "scratch")


def test_several_tables_are_not_guessed_at(data: Path, tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        (data / name).write_text("a,label\n1,2\n")
    with pytest.raises(UserError, match=r"several tables \(one.csv, two.csv\); name the one"):
        detect_format(data, tmp_path / "scratch")


def test_arrays_of_unknown_names_are_not_guessed_at(data: Path, tmp_path: Path) -> None:
    np.savez(data / "a.npz", left=np.zeros(3), right=np.zeros(3))
    with pytest.raises(UserError, match="the arrays left, right"):
        detect_format(data / "a.npz", tmp_path / "scratch")


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        detect_format(tmp_path / "nothing", tmp_path / "scratch")


def test_a_guessed_target_with_a_class_for_every_few_rows_is_asked_about(data: Path, tmp_path: Path) -> None:
    (data / "t.csv").write_text(table("a,churned,last_call", lambda row: f"{row},{row % 2},2025-07-{row:02}"))
    with pytest.raises(UserError, match=r"Say so with --target COLUMN; the last one, 'last_call', has \d+ classes"):
        detect_format(data / "t.csv", tmp_path)
    assert detect_format(data / "t.csv", tmp_path, Columns("churned")).format.kind == "table"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"%PDF-1.4\n", "not data in a known format"), ("a,b\n1,2\n".encode("utf-16"), "text in UTF-16; save")],
)
def test_a_file_that_is_no_table(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "paper").write_bytes(content)
    with pytest.raises(UserError, match=message):
        detect_format(tmp_path / "paper", tmp_path)


def test_a_folder_of_text_files_has_no_data(tmp_path: Path) -> None:
    for name in ("0.txt", "1.txt"):
        (tmp_path / name).write_text("a note\n")
    with pytest.raises(UserError, match=r"no data here, only 0\.txt, 1\.txt; accepted: "):
        detect_format(tmp_path, tmp_path)
