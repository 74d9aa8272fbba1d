"""Augmented copies: their number, their originals, and the same transforms as in training."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from sprout.augment import copies
from sprout.augment.copies import draw_copies
from sprout.augment.copies import write_copies as write_copies_of
from sprout.augment.draws import draws
from sprout.augment.transforms import augment
from sprout.config.augment import Augment, Transforms
from sprout.data.store import Array, Store, label_table, open_store
from sprout.data.store_writer import write_store
from sprout.runtime.errors import UserError

PLACES = ("flip", "flip_vertical", "shift", "rotate", "zoom", "shear", "crop")
VALUES = ("gamma", "brightness", "contrast", "colour", "noise", "erase")
STILL = {**dict.fromkeys((*PLACES, *VALUES, "drop"), 0.0), "fill": "zeros", "brightness": 1e-9}
"""A transform too small to change a pixel, as copies without any are refused."""
MOVED = STILL | {"brightness": 0.0} | {"shift": 0.2, "rotate": 20.0, "noise": 0.05}


def write_copies(train: Store, folder: Path, *, copies: int, seed: int, transforms: dict[str, Any]) -> int:
    return write_copies_of(train, folder, Augment(copies, seed, Transforms(**transforms)))


def store_of(folder: Path, examples: Array, label: list[Any], value: list[Any] | None = None) -> Store:
    rows = np.arange(len(examples))
    values = None if value is None else pa.array(value, pa.float64())
    table = label_table(rows, label, source="given", group=rows // 2, value=values, origin=[f"x:{row}" for row in rows])
    write_store(folder, examples, table)
    return open_store(folder)


@pytest.mark.parametrize("number", [1, 3])
def test_every_example_has_its_copies_with_label_and_group(make_store, tmp_path, number):
    train = make_store(10, name="train")
    assert write_copies(train, tmp_path / "new", copies=number, seed=0, transforms=MOVED) == 10 * number
    store = open_store(tmp_path / "new")
    assert (len(store), store.shape) == (10 * number, train.shape)
    table = store.labels.to_pydict()
    parents = [int(origin.removeprefix("train:")) for origin in table["origin"]]
    assert sorted(parents) == sorted([*range(10)] * number)
    assert table["row"] == list(range(10 * number))
    assert table["label"] == [parent % 3 for parent in parents]
    assert table["group"] == [parent + 1000 for parent in parents]
    assert set(table["source"]) == {"augmented"}
    assert (set(table["confidence"]), set(table["round"])) == ({1}, {0})


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_transforms_are_those_of_training(make_store, tmp_path, channels):
    train = make_store(6, shape=(8, 10, channels))
    write_copies(train, tmp_path / "new", copies=2, seed=9, transforms=MOVED)
    images = torch.from_numpy(train.take(np.tile(np.arange(6), 2))).permute(0, 3, 1, 2) / 255
    expected = augment(images, draws(9, -1, torch.arange(12)), Transforms(**MOVED))
    found = open_store(tmp_path / "new").take(np.arange(12)).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(found, expected.clamp(0, 1).numpy(), atol=0.5001 / 255)


def test_copies_that_are_not_moved_are_equal_to_their_parents(make_store, tmp_path):
    train = make_store(7)
    write_copies(train, tmp_path / "new", copies=2, seed=0, transforms=STILL)
    store = open_store(tmp_path / "new")
    np.testing.assert_array_equal(store.take(np.arange(14)), train.take(np.tile(np.arange(7), 2)))


def test_pixels_that_leave_the_range_are_cut_not_wrapped(make_store, tmp_path):
    train = make_store(20)
    write_copies(train, tmp_path / "new", copies=1, seed=0, transforms=STILL | {"brightness": 1.0})
    before = train.take(np.arange(20)).astype(int)
    after = open_store(tmp_path / "new").take(np.arange(20)).astype(int)
    factors = np.array([a.sum() / b.sum() for a, b in zip(after, before, strict=True)])
    assert factors.max() > 1
    brighter = factors > 1
    assert (after[brighter] >= before[brighter]).all()


def test_copies_of_one_example_differ(make_store, tmp_path):
    write_copies(make_store(5), tmp_path / "new", copies=4, seed=0, transforms=MOVED)
    images = open_store(tmp_path / "new").take(np.arange(20))
    assert len(np.unique(images.reshape(20, -1), axis=0)) == 20


def test_no_copies_are_an_empty_store(make_store, tmp_path):
    assert write_copies(make_store(5), tmp_path / "new", copies=0, seed=0, transforms=MOVED) == 0
    store = open_store(tmp_path / "new")
    assert (len(store), store.shape, store.labels.num_rows) == (0, (8, 8, 1), 0)


def test_the_seed_decides(make_store, tmp_path):
    train = make_store(5)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_copies(train, tmp_path / name, copies=2, seed=seed, transforms=MOVED)
    files = {name: (tmp_path / name / "examples-000.npy").read_bytes() for name in "abc"}
    assert files["a"] == files["b"]
    assert files["a"] != files["c"]


def test_the_size_of_its_batches_does_not_matter(make_store, tmp_path, monkeypatch):
    train = make_store(10)
    write_copies(train, tmp_path / "a", copies=2, seed=1, transforms=MOVED)
    monkeypatch.setattr(copies, "BATCH_VALUES", 3 * 64 + 5)
    write_copies(train, tmp_path / "b", copies=2, seed=1, transforms=MOVED)
    assert open_store(tmp_path / "a").checksum == open_store(tmp_path / "b").checksum


def test_only_examples_with_a_label_or_a_value_have_copies(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    train = store_of(tmp_path / "train", images, [7, None, None, 2, None], [None, 0.5, None, 1.5, None])
    assert write_copies(train, tmp_path / "new", copies=2, seed=0, transforms=STILL) == 6
    store = open_store(tmp_path / "new")
    table = store.labels.to_pydict()
    assert table["origin"] == ["train:0", "train:1", "train:3"] * 2
    assert table["label"] == [7, None, 2] * 2
    assert table["value"] == [None, 0.5, 1.5] * 2
    assert table["group"] == [0, 0, 1] * 2
    np.testing.assert_array_equal(store.take(np.arange(6)), images[[0, 1, 3, 0, 1, 3]])


def test_a_set_without_labels_has_no_copies(tmp_path):
    train = store_of(tmp_path / "train", np.zeros((3, 4, 4, 1), np.uint8), [None] * 3)
    assert write_copies(train, tmp_path / "new", copies=5, seed=0, transforms=MOVED) == 0
    draw_copies(train, tmp_path / "new")
    assert len(open_store(tmp_path / "new")) == 0
    assert not (tmp_path / "new" / "contact_sheet.png").exists()


def test_rows_of_a_table_cannot_be_copied(tmp_path):
    train = store_of(tmp_path / "train", np.zeros((4, 5), np.float32), [0, 1, 0, 1])
    with pytest.raises(UserError, match=r"^augment\.copies=2: the examples are rows of a table; .*; set it to 0$"):
        write_copies(train, tmp_path / "new", copies=2, seed=0, transforms=STILL)
    assert not (tmp_path / "new").exists()
    assert write_copies(train, tmp_path / "new", copies=0, seed=0, transforms=STILL) == 0
    draw_copies(train, tmp_path / "new")
    store = open_store(tmp_path / "new")
    assert (len(store), store.shape, store.dtype) == (0, (5,), np.float32)


def test_memory_holds_no_more_of_more_copies_than_their_labels(make_store, tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "BATCH_VALUES", 1 << 12)
    train = make_store(50, shape=(64, 64, 1))
    peaks = []
    for number in (2, 40):
        tracemalloc.start()
        write_copies(train, tmp_path / str(number), copies=number, seed=0, transforms=STILL)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    more = 38 * 50
    assert peaks[1] - peaks[0] < more * 200 < more * 64 * 64 / 10


def tiles(path: Path, rows: int, columns: int) -> Array:
    """What stands in each place of a sheet: (rows, columns, height, width)."""
    sheet = np.asarray(Image.open(path).convert("L"))
    height, width = sheet.shape[0] // rows, sheet.shape[1] // columns
    return sheet[: rows * height, : columns * width].reshape(rows, height, columns, width).swapaxes(1, 2)


@pytest.mark.parametrize(("number", "columns"), [(2, 3), (11, 9)])
def test_the_sheet_shows_originals_beside_their_copies(tmp_path, number, columns):
    """Each class has its own grey; what has no label has another and is not shown."""
    labels = [0] * 20 + [1] * 2 + [2] * 20 + [None] * 8
    images = np.zeros((50, 8, 8, 1), np.uint8)
    for row, label in enumerate(labels):
        images[row] = 200 if label is None else 20 * (label + 1)
    train = store_of(tmp_path / "train", images, labels)
    write_copies(train, tmp_path / "new", copies=number, seed=0, transforms=STILL)
    draw_copies(train, tmp_path / "new")
    shown = tiles(tmp_path / "new" / "contact_sheet.png", 16, columns)
    middle = shown[:, :, 40:50, 40:50]
    # Two of the small class, and seven of each other: every class in its turn.
    assert middle[:, 0, 5, 5].tolist() == [20] * 7 + [40] * 2 + [60] * 7
    assert (middle == middle[:, :1, :1, :1]).all()


def test_the_sheet_spreads_over_many_classes(tmp_path):
    images = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    train = store_of(tmp_path / "train", images, list(range(100)))
    write_copies(train, tmp_path / "new", copies=1, seed=0, transforms=STILL)
    draw_copies(train, tmp_path / "new")
    shown = tiles(tmp_path / "new" / "contact_sheet.png", 16, 2)[:, 0, 40, 40]
    assert (shown[0], shown[-1]) == (0, 99)
    assert (np.diff(shown.astype(int)) >= 6).all()


def test_the_same_copies_give_the_same_sheet(make_store, tmp_path):
    train = make_store(30, shape=(8, 8, 3))
    for name in "ab":
        write_copies(train, tmp_path / name, copies=3, seed=0, transforms=MOVED)
        draw_copies(train, tmp_path / name)
    assert (tmp_path / "a/contact_sheet.png").read_bytes() == (tmp_path / "b/contact_sheet.png").read_bytes()
