"""Rows of a table become the features that they were in the training."""

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from sprout.config.formats import FORMATS
from sprout.config.prepare import Prepare
from sprout.config.validate import choice, section
from sprout.data.description import Column, columns_from, describe
from sprout.data.formats import read_format
from sprout.data.prepare.prepare import prepare
from sprout.data.store import open_store
from sprout.predict.rows import encode_rows
from sprout.runtime.engine import LocalProcesses
from test_prepare import SETTINGS

TABLE = {"file": "t.csv", "target": "y", "number": False, "columns": None, "split": None, "group": None}
MORE = {"classes": None, "missing": None, "empty": "median"}
SIZES, COLOURS = ["", 0.5, 1.25, 7, -2], ["red", "blue", ""]
ROWS = [(SIZES[row % 5], COLOURS[row % 3], f"{row * 1000:,}.50 €", row % 2 == 0, "ab"[row % 2]) for row in range(1, 61)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared table with numbers, a category, prices and booleans, some entries of which are empty."""
    folder = tmp_path_factory.mktemp("table")
    for name in ("scratch", "prepared"):
        (folder / name).mkdir()
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("size", "colour", "price", "new", "y"), *ROWS])
    options = choice("format", {"kind": "table", **TABLE, **MORE}, "kind", FORMATS)
    listing = read_format(folder, folder / "scratch", options)
    settings = SETTINGS | {"val": 10, "test": 10, "labels": None}
    prepare(listing, folder / "prepared", folder / "scratch", section("prepare", settings, Prepare), LocalProcesses())
    return folder


def test_the_columns_of_a_table_are_described(workspace: Path) -> None:
    columns = describe(workspace / "prepared").columns
    assert columns is not None
    size, colour, price, new = columns
    train = open_store(workspace / "prepared/train")
    values = train.take(np.arange(len(train)))
    assert (size.name, size.values, size.empty, size.decimal) == ("size", None, True, None)
    assert size.median == pytest.approx(np.median(values[values[:, 1] == 0, 0]))
    assert colour == Column("colour", ["blue", "red"], empty=True)
    assert price == Column("price", decimal=".")
    assert new == Column("new")
    assert columns_from([asdict(each) for each in columns]) == columns


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_rows_are_encoded_as_prepare_has_encoded_them(workspace: Path, split: str) -> None:
    columns, store = describe(workspace / "prepared").columns, open_store(workspace / f"prepared/{split}")
    assert columns is not None
    places = [int(origin.rpartition(" ")[2]) - 1 for origin in store.labels["origin"].to_pylist()]
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    table = pyarrow.csv.read_csv(workspace / "t.csv", convert_options=options)
    mixed = table.select(["y", "new", "price", "colour", "size"]).take(places).combine_chunks().to_batches()[0]
    found, faults = encode_rows(columns, mixed, "t.csv")
    np.testing.assert_array_equal(found, store.take(np.arange(len(store))))
    assert faults == {}


@pytest.mark.parametrize(
    ("column", "entry", "features", "fault"),
    [
        (Column("x"), "3.5", [3.5], None),
        (Column("x"), 7, [7], None),
        (Column("x"), True, [1], None),
        (Column("x"), "TRUE", [1], None),
        (Column("x"), None, [0], "column 'x' is empty"),
        (Column("x"), "inf", [0], "column 'x' is 'inf', not a finite number"),
        (Column("x", empty=True, median=2.0), None, [2, 1], None),
        (Column("x", empty=True, median=2.0), "NA", [2, 1], None),
        (Column("x", ["a", "b"]), " b ", [0, 1], None),
        (Column("x", ["a", "b"]), "c", [0, 0], "column 'x' is 'c', not one of 'a', 'b'"),
        (Column("x", ["a", "b"]), None, [0, 0], "column 'x' is empty"),
        (Column("x", ["a", "b"], empty=True), None, [0, 0, 1], None),
        (Column("x", decimal=","), "1.013,5 €", [1013.5], None),
        (Column("x", decimal=","), "12", [12], None),
    ],
)
def test_an_entry(column: Column, entry: Any, features: list[float], fault: str | None) -> None:
    rows = pa.record_batch({"x": pa.array([entry])})
    if entry is None:
        rows = pa.record_batch({"x": pa.array([None], pa.string())})
    found, faults = encode_rows([column], rows, "t.csv")
    assert found.tolist() == [features]
    assert faults == ({} if fault is None else {0: fault})
