"""Extra copies: how many, of whom, and transformed by the same functions as in training."""

import numpy as np
import pytest
import torch

from sprout import copies
from sprout.augment import augment, draws
from sprout.copies import write_copies
from sprout.core.store import open_store

STILL = {
    **dict.fromkeys(("flip", "shift", "rotate", "zoom", "shear", "brightness", "noise", "erase"), 0.0),
    "fill": "zeros",
}
MOVED = STILL | {"shift": 0.2, "rotate": 20.0, "noise": 0.05}


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


def test_the_transforms_are_those_of_training(make_store, tmp_path):
    train = make_store(6, shape=(8, 10, 3))
    write_copies(train, tmp_path / "new", copies=2, seed=9, transforms=MOVED)
    images = torch.from_numpy(train.take(np.tile(np.arange(6), 2))).permute(0, 3, 1, 2) / 255
    expected = augment(images, draws(9, -1, torch.arange(12)), **MOVED)
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
    monkeypatch.setattr(copies, "BATCH", 3)
    write_copies(train, tmp_path / "b", copies=2, seed=1, transforms=MOVED)
    assert open_store(tmp_path / "a").checksum == open_store(tmp_path / "b").checksum
