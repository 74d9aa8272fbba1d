"""The format `table`."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sprout.config.formats import FORMATS
from sprout.config.validate import choice
from sprout.data.formats import csv_file, feature_columns, npy, read_format
from sprout.data.listing import Listing
from sprout.runtime.errors import UserError

MORE = {"classes": None, "missing": None, "empty": "faulty"}


def listed(root: Path, **options: Any) -> Listing:
    (root / "scratch").mkdir(exist_ok=True)
    defaults = {"file": "t.csv", "target": None, "number": False, "columns": None, "split": None, "group": None}
    return read_format(
        root,
        root / "scratch",
        choice("format", {"kind": "table", **defaults | MORE | options}, "kind", FORMATS),
    )


def write(root: Path, *lines: str) -> Path:
    (root / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def examples(listing: Listing) -> list[list[float]]:
    assert isinstance(listing.examples, np.ndarray)
    assert listing.examples.dtype == np.float32
    found: list[list[float]] = listing.examples.tolist()
    return found


def test_numbers_booleans_and_texts(tmp_path: Path) -> None:
    lines = ["age,smokes,colour,outcome", "3, TRUE,red,yes", "+4.5e1,false,NA,no", "-.5,True, red ,yes"]
    listing = listed(write(tmp_path, *lines), target="outcome")
    assert listing.features == ["age", "smokes", "colour=NA", "colour=red"]
    assert examples(listing) == [[3, 1, 0, 1], [45, 0, 1, 0], [-0.5, 1, 0, 1]]
    assert listing.label is not None
    assert listing.label.to_pylist() == ["yes", "no", "yes"]
    assert listing.origin.to_pylist() == ["t.csv row 1", "t.csv row 2", "t.csv row 3"]
    assert (listing.value, listing.split, listing.group, listing.classes) == (None, None, None, None)
    assert not listing.faults


def test_a_number_as_target(tmp_path: Path) -> None:
    listing = listed(write(tmp_path, "x,y", "1,2.5", "2, -1e3"), target="y", number=True)
    assert listing.label is None
    assert listing.value is not None
    assert listing.value.to_pylist() == [2.5, -1000.0]


def test_columns_with_another_use_are_not_features(tmp_path: Path) -> None:
    lines = ["id,a,b,y,part,who", "1,2,3,cat,train,ann", "2,3,4,,unlabelled, ", "3,4,5,dog,TEST,ann ", "4,5,6,dog,,bob"]
    listing = listed(write(tmp_path, *lines), target="y", columns=["b", "a"], split="part", group="who")
    assert listing.features == ["b", "a"]
    assert examples(listing)[0] == [3, 2]
    assert listing.split is not None
    assert listing.split.to_pylist() == ["train", "unlabelled", "test", None]
    assert listing.group is not None
    assert listing.group.to_pylist() == ["ann", None, "ann", "bob"]
    assert not listing.faults


def test_parquet_with_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": pa.array([1, 2], pa.int64()),
            "b": [True, False],
            "c": pa.array(["u", "v"]).dictionary_encode(),
            "d": pa.array(["1.5", "2.5"]).cast(pa.decimal128(5, 2)),
            "y": pa.array([0, 1], pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    listing = listed(tmp_path, file="t.parquet", target="y", classes=("no", "yes"))
    assert listing.features == ["i", "b", "c=u", "c=v", "d"]
    assert examples(listing) == [[1, 1, 1, 0, 1.5], [2, 0, 0, 1, 2.5]]
    assert listing.label is not None
    assert listing.label.to_pylist() == ["no", "yes"]


def test_missing_numbers_of_pandas(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, float("nan"), None], "y": [1.0, 2.0, float("nan")]})
    pq.write_table(table, tmp_path / "t.parquet")
    listing = listed(tmp_path, file="t.parquet", target="y")
    assert listing.label is not None
    assert listing.label.to_pylist() == ["1", "2", None]
    assert listing.faults == {
        1: "column 'x' is empty",
        2: "column 'x' is empty",
    }


def test_empty_entries_are_marked(tmp_path: Path) -> None:
    lines = ["age,deck,sure,size,y", "3,A,true,1,0", ",,,2,1", "NA,B,false,3,0", "5,A,true,4,1"]
    listing = listed(write(tmp_path, *lines), target="y", empty="median")
    assert listing.features == [
        *("age", "age is empty", "deck=A", "deck=B", "deck is empty", "sure", "sure is empty", "size")
    ]
    none = pytest.approx(float("nan"), nan_ok=True)
    assert examples(listing) == [
        [3, 0, 1, 0, 0, 1, 0, 1],
        [none, 1, 0, 0, 1, none, 1, 2],
        [none, 1, 0, 1, 0, 0, 0, 3],
        [5, 0, 1, 0, 0, 1, 0, 4],
    ]
    assert listing.filled == [0, 5]
    assert not listing.faults
    assert "'age' (2), 'deck' (1), 'sure' (1)" in listing.notes[0]


def test_a_column_that_is_empty_in_every_row(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'x': empty in every row"):
        listed(write(tmp_path, "x,z,y", ",1,a", ",2,b"), target="y", empty="median")


def test_many_blocks_in_a_file_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "BLOCK", 100)
    monkeypatch.setattr(npy, "IN_MEMORY", 10)
    rows = [f"{n},{'a' if n % 2 else 'b'},{n if n % 50 else 'x'}" for n in range(300)]
    listing = listed(write(tmp_path, "n,c,m", *rows))
    assert isinstance(listing.examples, np.memmap)
    assert listing.examples[:, 0].tolist() == list(range(300))
    assert listing.examples[:, 1].tolist() == [n % 2 for n in range(300)]
    assert list(listing.faults) == list(range(0, 300, 50))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("abc,u,cat,1,train", "column 'x' is 'abc', not a finite number"),
        ("NA,u,cat,1,train", "column 'x' is 'NA', not a finite number"),
        ("nan,u,cat,1,train", "column 'x' is 'nan', not a finite number"),
        ("-inf,u,cat,1,train", "column 'x' is '-inf', not a finite number"),
        ("1e300,u,cat,1,train", "column 'x' is '1e300', not a finite number"),
        ("0x10,u,cat,1,train", "column 'x' is '0x10', not a finite number"),
        (",u,cat,1,train", "column 'x' is empty"),
        ("5,,cat,1,train", "column 'c' is empty"),
        ("5,u,,1,test", "no target in column 'y'"),
        ("5,u,bird,1,train", "label 'bird' is none of the classes cat, dog"),
        ("5,u,cat,1,nowhere", "split 'nowhere' is none of"),
    ],
)
def test_a_fault(tmp_path: Path, row: str, reason: str) -> None:
    lines = ["x,c,y,z,s", "1,u,cat,1,train", "2,v,dog,1,train", row, "3,u,dog,1,train"]
    listing = listed(write(tmp_path, *lines), target="y", split="s", classes=("cat", "dog"))
    [(faulty, found)] = listing.faults.items()
    assert faulty == 2
    assert found.startswith(reason)
    assert np.isfinite(listing.examples).all()


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "no target in column 'y'"),
        ("high", "target 'y' is 'high', not a finite number"),
        ("nan", "no target in column 'y'"),
        ("inf", "target 'y' is 'inf', not a finite number"),
    ],
)
def test_a_target_that_is_not_a_number(tmp_path: Path, target: str, reason: str) -> None:
    listing = listed(write(tmp_path, "x,y", "1,1", f"2,{target}"), target="y", number=True)
    assert listing.faults == {1: reason}
    assert listing.value is not None
    assert listing.value.to_pylist() == [1, None]


def test_rows_without_a_class_are_unlabelled(tmp_path: Path) -> None:
    listing = listed(write(tmp_path, "x,y", "1,a", "2,", "3,NA"), target="y")
    assert listing.label is not None
    assert listing.label.to_pylist() == ["a", None, None]
    assert listing.split is not None
    assert listing.split.to_pylist() == [None, "unlabelled", "unlabelled"]
    assert not listing.faults


def test_a_row_with_several_faults(tmp_path: Path) -> None:
    listing = listed(write(tmp_path, "x,z,y,s", "1,1,a,", "q,,,test", "2,2,b,"), target="y", split="s")
    assert listing.faults == {1: "column 'x' is 'q', not a finite number; column 'z' is empty; no target in column 'y'"}


def test_a_column_that_is_empty_throughout(tmp_path: Path) -> None:
    listing = listed(write(tmp_path, "x,z", "1,", "2,"))
    assert listing.faults == dict.fromkeys((0, 1), "column 'z' is empty")


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["x,y", "1,a"], {"target": "z"}, "t.csv: no column 'z' (download.format); there are: 'x', 'y'"),
        (["x,y", "1,a"], {"columns": ["x", "w"]}, "t.csv: no column 'w'"),
        (["x,y", "1,a"], {"group": "who"}, "t.csv: no column 'who'"),
        (["x,y", "1,a"], {"target": "y", "columns": ["x", "y"]}, "t.csv: column 'y' is a feature"),
        (["x,y", "1,a"], {"columns": ["x", "x"]}, "t.csv: a column twice in `columns`"),
        (["y", "a"], {"target": "y"}, "t.csv: no column is a feature"),
        (["x,y"], {}, "t.csv: a header without rows"),
        (["x,y", "1,a,2"], {}, "t.csv: the header has 2 fields, but row 1 has 3"),
        (
            ["x"] + [f"id{n}" for n in range(150)],
            {},
            "t.csv: column 'x': text with 150 distinct values, such as 'id0'",
        ),
        (["x", "1"], {"file": "u.csv"}, "u.csv: no such file"),
    ],
)
def test_refused(tmp_path: Path, lines: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        listed(write(tmp_path, *lines), **options)
    assert message in str(caught.value)


def test_distinct_texts_are_counted_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_columns, "MAX_COUNTED", 200)
    with pytest.raises(UserError, match="text with 200 or more distinct values"):
        listed(write(tmp_path, "x", *(f"id{n}" for n in range(300))))


def test_a_column_of_lists(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [[1.0], [2.0]]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet: column 'x': list<.*> cannot be read"):
        listed(tmp_path, file="t.parquet")
