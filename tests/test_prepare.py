"""Splits, the label budget, and what stands in the prepared folder."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sprout.core.errors import UserError
from sprout.core.prepared import describe
from sprout.core.records import read_json
from sprout.core.store import open_store
from sprout.prepare import SPLITS, normalisation, prepare, split
from sprout.sources.raw import Raw

CLASSES = ["ant", "bee", "cat", "dog"]
SHARES = [0.4, 0.3, 0.2, 0.1]


def make_raw(n: int = 400, official: int = 100, labels: np.ndarray | None = None) -> Raw:
    """Classes of different sizes in a mixed order; the last ones are the source's own test part."""
    generator = np.random.default_rng(5)
    if labels is None:
        labels = generator.choice(4, n, p=SHARES)
    return Raw(
        images=generator.integers(0, 256, (n, 4, 3, 2), dtype=np.uint8),
        labels=np.asarray(labels, np.int64),
        official_test=np.arange(n) >= n - official,
        classes=CLASSES,
        origin=[f"file:{row}" for row in range(n)],
    )


RAW = make_raw()
PLAIN = {"first": None, "test": 60, "val": 40, "labels": 40, "seed": 0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(RAW, folder, **PLAIN)
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("first", "test", "labels"), [*itertools.product([None, 200], [None, 50], [None, 7, 40])], ids=str
)
def test_splits_cover_without_meeting(first, test, labels):
    rows = split(RAW, first=first, test=test, val=30, labels=labels, seed=0)
    pool = 300 if first is None else first
    used = np.concatenate([rows[name] for name in SPLITS])
    assert len(np.unique(used)) == len(used)
    expected = set(range(pool)) | (set(range(300, 400)) if test is None else set())
    assert set(used) == expected
    assert len(rows["val"]) == 30
    assert len(rows["test"]) == (100 if test is None else 50)
    if test is None:
        np.testing.assert_array_equal(rows["test"], np.arange(300, 400))
    left = pool - 30 - (0 if test is None else 50)
    assert len(rows["train"]) == (left if labels is None else labels)
    assert len(rows["unlabelled"]) == (0 if labels is None else left - labels)
    assert all((np.diff(found) > 0).all() for found in rows.values() if len(found))


def test_the_official_test_part_is_never_trained_on():
    rows = split(RAW, first=None, test=60, val=40, labels=None, seed=0)
    assert max(found.max() for found in rows.values() if len(found)) < 300


@pytest.mark.parametrize(("test", "val"), [(60, 40), (11, 13), (100, 100)])
def test_drawn_splits_keep_the_classes_proportions(test, val):
    rows = split(RAW, first=None, test=test, val=val, labels=None, seed=3)
    whole = np.bincount(RAW.labels[:300]) / 300
    for name in ("train", "val", "test"):
        found = np.bincount(RAW.labels[rows[name]], minlength=4)
        # Stratified: within one example of the exact share, and one more from the earlier draw.
        assert np.abs(found - whole * len(rows[name])).max() < 2


@pytest.mark.parametrize(
    ("labels", "counts"), [(4, [1, 1, 1, 1]), (40, [10] * 4), (42, [10, 10, 11, 11]), (7, [1, 2, 2, 2])]
)
def test_the_label_budget_is_even_over_the_classes(labels, counts):
    rows = split(RAW, first=None, test=None, val=40, labels=labels, seed=0)
    assert sorted(np.bincount(RAW.labels[rows["train"]])) == counts


def test_who_gets_the_odd_label_is_drawn():
    odd = {
        np.bincount(RAW.labels[split(RAW, first=None, test=None, val=40, labels=5, seed=seed)["train"]]).argmax()
        for seed in range(20)
    }
    assert len(odd) > 1


def test_who_keeps_a_label_is_drawn_over_the_whole_class():
    """Not the first of each class, and every one can be drawn."""
    kept = [split(RAW, first=None, test=None, val=40, labels=40, seed=seed)["train"] for seed in range(30)]
    assert len(np.unique(np.concatenate(kept))) > 250


def test_the_same_seed_gives_the_same_bytes(prepared, tmp_path):
    prepare(RAW, tmp_path, **PLAIN)
    assert bytes_of(tmp_path) == bytes_of(prepared)
    expected = {"classes.json", "summary.json", "quarantine.csv", "truth.parquet"} | {
        f"{name}/{file}" for name in SPLITS for file in ("examples-000.npy", "labels.parquet", "store.json")
    }
    assert set(bytes_of(prepared)) == expected


@pytest.mark.parametrize("name", SPLITS)
def test_another_seed_gives_other_rows(name):
    one, other = (split(RAW, **PLAIN | {"seed": seed})[name] for seed in (0, 1))
    assert set(one) != set(other)
    assert len(one) == len(other)


def test_images_labels_and_origins_belong_together(prepared):
    rows = split(RAW, **PLAIN)
    for name in SPLITS:
        store = open_store(prepared / name)
        np.testing.assert_array_equal(store.take(np.arange(len(store))), RAW.images[rows[name]])
        assert store.labels["origin"].to_pylist() == [f"file:{row}" for row in rows[name]]
        assert store.labels["row"].to_pylist() == list(range(len(store)))
        assert set(store.labels["source"].to_pylist()) == {"given"}
        if name != "unlabelled":
            np.testing.assert_array_equal(store.labels["label"].to_numpy(), RAW.labels[rows[name]])


def test_no_group_lies_in_two_splits(prepared):
    groups = [set(open_store(prepared / name).labels["group"].to_pylist()) for name in SPLITS]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 300


def test_withheld_labels_stand_in_truth_alone(prepared):
    pool, rows = open_store(prepared / "unlabelled"), split(RAW, **PLAIN)["unlabelled"]
    assert pool.labels["label"].null_count == len(pool) == 160
    truth = pq.read_table(prepared / "truth.parquet")
    assert truth["row"].to_pylist() == list(range(160))
    np.testing.assert_array_equal(truth["label"].to_numpy(), RAW.labels[rows])
    summary = read_json(prepared / "summary.json")["splits"]["unlabelled"]
    assert summary == {"examples": 160, "labelled": 0, "per_class": {}}


def test_the_summary_counts(prepared):
    splits = read_json(prepared / "summary.json")["splits"]
    rows = split(RAW, **PLAIN)
    for name in ("train", "val", "test"):
        counts = dict(zip(CLASSES, np.bincount(RAW.labels[rows[name]]).tolist(), strict=True))
        assert splits[name] == {"examples": len(rows[name]), "labelled": len(rows[name]), "per_class": counts}


def test_what_prepare_returns_is_what_it_writes(tmp_path):
    returned = prepare(RAW, tmp_path, **PLAIN)
    assert returned == read_json(tmp_path / "summary.json")
    assert (returned["shape"], returned["dtype"]) == ([4, 3, 2], "uint8")


def test_normalisation_is_numpys_on_the_training_split_alone(prepared):
    train = open_store(prepared / "train")
    pixels = train.take(np.arange(len(train))).astype(np.float64) / 255
    described = describe(prepared)
    np.testing.assert_allclose(described.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(described.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)
    assert described.mean != pytest.approx((RAW.images / 255).mean(axis=(0, 1, 2)), rel=1e-6)


def test_a_channel_that_never_changes_has_a_spread_of_1():
    images = np.full((3, 2, 2, 2), 51, np.uint8)
    images[..., 1] = np.arange(12).reshape(3, 2, 2)
    mean, std = normalisation(images)
    assert mean[0] == pytest.approx(0.2)
    assert std == pytest.approx([1.0, np.std(np.arange(12)) / 255])


def test_without_a_budget_the_pool_is_empty_and_opens(tmp_path):
    prepare(RAW, tmp_path, **PLAIN | {"labels": None})
    pool = open_store(tmp_path / "unlabelled")
    assert (len(pool), pool.shape, pool.labels.num_rows) == (0, (4, 3, 2), 0)
    assert pq.read_table(tmp_path / "truth.parquet").num_rows == 0


def two_cats() -> Raw:
    """One class with few examples."""
    labels = np.array([0, 1, 3] * 40)
    labels[[5, 50]] = 2
    return make_raw(120, 0, labels)


def one_cat() -> Raw:
    labels = np.array([0, 1, 3] * 40)
    labels[5] = 2
    return make_raw(120, 0, labels)


def no_cat() -> Raw:
    return make_raw(120, 0, np.array([0, 1, 3] * 40))


@pytest.mark.parametrize(
    ("raw", "settings", "says"),
    [
        (make_raw, {"first": 301}, ["prepare.first=301", "300 examples"]),
        (no_cat, {"test": None}, ["prepare.test=null", "no test part"]),
        (make_raw, {"test": 3}, ["prepare.test=3", "300 examples of 4 classes", "4 to 296"]),
        (make_raw, {"test": 297}, ["prepare.test=297", "300 examples of 4 classes", "4 to 296"]),
        (make_raw, {"val": 3}, ["prepare.val=3", "240 examples of 4 classes", "4 to 236"]),
        (make_raw, {"val": 240}, ["prepare.val=240", "240 examples of 4 classes", "4 to 236"]),
        (make_raw, {"first": 100, "test": 50, "val": 50}, ["prepare.val=50", "50 examples", "4 to 46"]),
        (one_cat, {}, ["prepare.test=60", "a single example"]),
        (make_raw, {"labels": 3}, ["prepare.labels=3", "training examples", "at least one"]),
        (make_raw, {"labels": 100}, ["prepare.labels=100", "25 of class 'dog'", "no more than it has"]),
        (two_cats, {"test": 12, "val": 12, "labels": 12}, ["prepare.labels=12", "3 of class 'cat', which has 2"]),
        (no_cat, {"labels": 12}, ["prepare.labels=12", "3 of class 'cat', which has 0"]),
    ],
)
def test_refusals_name_key_value_and_counts(tmp_path: Path, raw: Callable[[], Raw], settings: dict, says: list[str]):
    with pytest.raises(UserError) as refused:
        prepare(raw(), tmp_path / "prepared", **PLAIN | settings)
    assert [word for word in says if word not in str(refused.value)] == []
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(("test", "val"), [(4, 4), (296 - 8, 4), (4, 296 - 8)])
def test_the_bounds_that_are_named_are_accepted(test, val):
    even = make_raw(labels=np.arange(400) % 4)
    rows = split(even, first=None, test=test, val=val, labels=None, seed=0)
    assert (len(rows["test"]), len(rows["val"])) == (test, val)


def test_the_largest_seed_is_accepted():
    assert len(split(RAW, **PLAIN | {"seed": 2**31 - 1})["val"]) == 40
