"""Splits, the label budget, and the content of the prepared folder."""

import csv
import itertools
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sprout.config.prepare import Prepare
from sprout.config.validate import section
from sprout.data.description import describe
from sprout.data.listing import SPLITS, Listing
from sprout.data.prepare import parts, worker
from sprout.data.prepare.duplicates import source_splits
from sprout.data.prepare.prepare import prepare
from sprout.data.prepare.splits import split
from sprout.data.prepare.targets import find_targets
from sprout.data.shards import ShardWriter
from sprout.data.store import open_store
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json
from sprout.runtime.objects import Objects

CLASSES = ["ant", "bee", "cat", "dog"]
SHARES = [0.4, 0.3, 0.2, 0.1]
SETTINGS = {
    "size": None,
    "channels": None,
    "resize": "none",
    "levels": None,
    "page": 0,
    "max_pixels": 10**6,
    "max_faulty": 0.01,
    "min_class_size": None,
    "duplicates": "move",
    "near_duplicates": None,
    "strata": {},
    "first": None,
    "test": 60,
    "val": 40,
    "folds": None,
    "labels": 40,
    "labels_per_class": None,
    "seed": 0,
}


def settings_with(**changes: Any) -> Prepare:
    """Plain settings with these changes."""
    return section("prepare", SETTINGS | changes, Prepare)


def make_listing(n: int = 400, official: int = 100, labels: np.ndarray | None = None, **further: Any) -> Listing:
    """Classes of different sizes in a mixed order; the last ones are the source's own test split."""
    generator = np.random.default_rng(5)
    if labels is None:
        labels = generator.choice(4, n, p=SHARES)
    parts = {
        "examples": generator.integers(0, 256, (n, 4, 3, 3), dtype=np.uint8),
        "origin": pa.array([f"file:{row}" for row in range(n)]),
        "label": pa.array([CLASSES[label] for label in labels]),
        "split": pa.array(["test" if row >= n - official else None for row in range(n)], pa.string()),
        "classes": CLASSES,
    }
    return Listing(**parts | further)


LISTING = make_listing()
LABELS = np.array([CLASSES.index(name) for name in LISTING.label.to_pylist()])


def split_listing(listing: Listing = LISTING, **amounts: Any) -> dict[str, np.ndarray]:
    """`split` on a listing whose groups are its rows."""
    rows = np.arange(len(listing))
    targets = find_targets(listing, rows)
    source = source_splits(listing.split, len(listing))
    return split(rows, source, targets, targets.index, rows, settings_with(**amounts))[0]


def run(folder: Path, listing: Listing = LISTING, objects: Objects | None = None, **settings: Any) -> dict[str, Any]:
    """`prepare` with plain settings."""
    (folder / "scratch").mkdir(parents=True)
    (folder / "prepared").mkdir()
    chosen = settings_with(**settings)
    return prepare(listing, folder / "prepared", folder / "scratch", chosen, LocalProcesses(), objects=objects)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    run(folder)
    return folder / "prepared"


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("first", "test", "labels"), [*itertools.product([None, 200], [None, 50], [None, 7, 40])], ids=str
)
def test_splits_are_disjoint_and_cover_everything(first, test, labels):
    rows = split_listing(first=first, test=test, val=30, labels=labels, seed=0)
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


def test_the_official_test_split_is_never_trained_on():
    rows = split_listing(first=None, test=60, val=40, labels=None, seed=0)
    assert max(found.max() for found in rows.values() if len(found)) < 300


@pytest.mark.parametrize(("test", "val"), [(60, 40), (11, 13), (100, 100)])
def test_drawn_splits_keep_the_classes_proportions(test, val):
    rows = split_listing(first=None, test=test, val=val, labels=None, seed=3)
    whole = np.bincount(LABELS[:300]) / 300
    for name in ("train", "val", "test"):
        found = np.bincount(LABELS[rows[name]], minlength=4)
        # Stratified: within one example of the exact share, and one more from the earlier draw.
        assert np.abs(found - whole * len(rows[name])).max() < 2


@pytest.mark.parametrize(
    ("labels", "counts"), [(4, [1, 1, 1, 1]), (40, [10] * 4), (42, [10, 10, 11, 11]), (7, [1, 2, 2, 2])]
)
def test_the_label_budget_is_even_over_the_classes(labels, counts):
    rows = split_listing(first=None, test=None, val=40, labels=labels, seed=0)
    assert sorted(np.bincount(LABELS[rows["train"]])) == counts


def test_the_classes_with_one_more_label_are_drawn():
    odd = {
        np.bincount(LABELS[split_listing(first=None, test=None, val=40, labels=5, seed=seed)["train"]]).argmax()
        for seed in range(20)
    }
    assert len(odd) > 1


def test_labelled_examples_are_drawn_from_the_whole_class():
    """Not the first of each class, and every one can be drawn."""
    kept = [split_listing(first=None, test=None, val=40, labels=40, seed=seed)["train"] for seed in range(30)]
    assert len(np.unique(np.concatenate(kept))) > 250


def test_the_same_seed_gives_the_same_bytes(prepared, tmp_path):
    run(tmp_path)
    assert bytes_of(tmp_path / "prepared") == bytes_of(prepared)
    expected = {
        "SHA256SUMS",
        "classes.json",
        "summary.json",
        "quarantine.csv",
        "duplicates.csv",
        "truth.parquet",
    }
    files = ("SHA256SUMS", "examples-000.npy", "labels.parquet", "store.json")
    expected |= {f"{name}/{file}" for name in SPLITS for file in files}
    expected |= {f"contact_sheets/class-00{code}.png" for code in range(4)}
    assert set(bytes_of(prepared)) == expected


@pytest.mark.parametrize("name", SPLITS)
def test_another_seed_gives_other_rows(name):
    one, other = (split_listing(seed=seed)[name] for seed in (0, 1))
    assert set(one) != set(other)
    assert len(one) == len(other)


def test_images_labels_and_origins_belong_together(prepared):
    rows = split_listing()
    for name in SPLITS:
        store = open_store(prepared / name)
        np.testing.assert_array_equal(store.take(np.arange(len(store))), LISTING.examples[rows[name]])
        assert store.labels["origin"].to_pylist() == [f"file:{row}" for row in rows[name]]
        assert store.labels["row"].to_pylist() == list(range(len(store)))
        assert set(store.labels["source"].to_pylist()) == {"given"}
        if name != "unlabelled":
            np.testing.assert_array_equal(store.labels["label"].to_numpy(), LABELS[rows[name]])


def test_no_group_is_in_two_splits(prepared):
    groups = [set(open_store(prepared / name).labels["group"].to_pylist()) for name in SPLITS]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 300


def test_withheld_labels_are_only_in_truth(prepared):
    pool, rows = open_store(prepared / "unlabelled"), split_listing()["unlabelled"]
    assert pool.labels["label"].null_count == len(pool) == 160
    truth = pq.read_table(prepared / "truth.parquet")
    assert truth["row"].to_pylist() == list(range(160))
    np.testing.assert_array_equal(truth["label"].to_numpy(), LABELS[rows])
    summary = read_json(prepared / "summary.json")["splits"]["unlabelled"]
    assert summary == {"examples": 160, "labelled": 0, "per_class": {}}


def test_the_summary_counts(prepared):
    splits = read_json(prepared / "summary.json")["splits"]
    rows = split_listing()
    for name in ("train", "val", "test"):
        counts = dict(zip(CLASSES, np.bincount(LABELS[rows[name]]).tolist(), strict=True))
        assert splits[name] == {"examples": len(rows[name]), "labelled": len(rows[name]), "per_class": counts}


def test_what_prepare_returns_is_what_it_writes(tmp_path):
    returned = run(tmp_path)
    assert returned == read_json(tmp_path / "prepared/summary.json")
    assert (returned["shape"], returned["dtype"], returned["target"]) == ([4, 3, 3], "uint8", "class")


def test_normalisation_is_numpys_on_the_training_split_alone(prepared):
    train = open_store(prepared / "train")
    pixels = train.take(np.arange(len(train))).astype(np.float64) / 255
    described = describe(prepared)
    np.testing.assert_allclose(described.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(described.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)
    assert described.mean != pytest.approx((LISTING.examples / 255).mean(axis=(0, 1, 2)), rel=1e-6)


def test_without_a_budget_the_pool_is_empty_and_opens(tmp_path):
    run(tmp_path, labels=None)
    pool = open_store(tmp_path / "prepared/unlabelled")
    assert (len(pool), pool.shape, pool.labels.num_rows) == (0, (4, 3, 3), 0)
    assert pq.read_table(tmp_path / "prepared/truth.parquet").num_rows == 0


def two_cats() -> Listing:
    """One class with few examples."""
    labels = np.array([0, 1, 3] * 40)
    labels[[5, 50]] = 2
    return make_listing(120, 0, labels)


def one_cat() -> Listing:
    labels = np.array([0, 1, 3] * 40)
    labels[5] = 2
    return make_listing(120, 0, labels)


def no_cat() -> Listing:
    return make_listing(120, 0, np.array([0, 1, 3] * 40))


def one_class() -> Listing:
    return replace(make_listing(120, 0, np.zeros(120, int)), classes=None)


def no_labels() -> Listing:
    return replace(make_listing(300, 0), label=None, classes=None)


@pytest.mark.parametrize(
    ("make", "settings", "says"),
    [
        (make_listing, {"first": 301}, ["prepare.first=301", "300 examples"]),
        (lambda: make_listing(120, 0), {"test": None}, ["prepare.test=null", "no test split"]),
        (make_listing, {"val": None}, ["prepare.val=null", "no val split"]),
        (make_listing, {"test": 3}, ["prepare.test=3", "300 examples are left", "4 to 296", "(dog "]),
        (make_listing, {"test": 297}, ["prepare.test=297", "300 examples are left", "4 to 296"]),
        (make_listing, {"test": 0.001}, ["prepare.test=0.001", "4 to 296"]),
        (make_listing, {"val": 3}, ["prepare.val=3", "240 examples are left", "4 to 236"]),
        (make_listing, {"val": 240}, ["prepare.val=240", "240 examples are left", "4 to 236"]),
        (make_listing, {"first": 100, "test": 50, "val": 50}, ["prepare.val=50", "50 examples", "4 to 46"]),
        (one_cat, {}, ["prepare.test=60", "a single example", "cat 1"]),
        (no_cat, {}, ["no example of 'cat'", "ant 40"]),
        (one_class, {}, ["only one class", "ant 120"]),
        (make_listing, {"labels": 3}, ["prepare.labels=3", "training examples", "from one to all"]),
        (make_listing, {"labels": 100}, ["prepare.labels=100", "25 of class 'dog'", "from one to all"]),
        (make_listing, {"labels": None, "labels_per_class": 50}, ["prepare.labels_per_class=50", "50 of class"]),
        (make_listing, {"labels_per_class": 5}, ["prepare.labels=40", "prepare.labels_per_class=5", "only one"]),
        (two_cats, {"test": 12, "val": 12, "labels": 12}, ["prepare.labels=12", "3 of class 'cat', which has"]),
        (make_listing, {"strata": {"age": [3]}}, ["prepare.strata.age", "no such feature", "these are images"]),
        (no_labels, {}, ["prepare.labels=40", "no classes"]),
    ],
)
def test_refusals_name_key_value_and_counts(
    tmp_path: Path, make: Callable[[], Listing], settings: dict, says: list[str]
):
    with pytest.raises(UserError) as refused:
        run(tmp_path, make(), **settings)
    assert [word for word in says if word not in str(refused.value)] == []
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("test", "val"), [(4, 4), (296 - 8, 4), (4, 296 - 8)])
def test_the_bounds_that_are_named_are_accepted(test, val):
    even = make_listing(labels=np.arange(400) % 4)
    rows = split_listing(even, test=test, val=val, labels=None)
    assert (len(rows["test"]), len(rows["val"])) == (test, val)


def test_the_largest_seed_is_accepted():
    assert len(split_listing(seed=2**31 - 1)["val"]) == 40


def test_fractions_are_of_the_remaining_examples():
    rows = split_listing(test=0.2, val=0.25, labels=0.5)
    assert [len(rows[name]) for name in SPLITS] == [90, 60, 90, 60]
    kept, withheld = (np.bincount(LABELS[rows[name]]) for name in ("train", "unlabelled"))
    assert np.abs(kept - withheld).max() <= 1, "a share of the labels is that share of each class"


def test_a_budget_for_each_class():
    rows = split_listing(labels=None, labels_per_class=6)
    assert np.bincount(LABELS[rows["train"]]).tolist() == [6, 6, 6, 6]


def test_given_splits_are_kept_and_a_drawn_val_takes_the_sources_own_in():
    parts = pa.array(["train", "val", "test", "unlabelled"] * 100)
    given = make_listing(split=parts)
    rows = split_listing(given, test=None, val=None, labels=None)
    for code, name in enumerate(("train", "val", "test", "unlabelled")):
        np.testing.assert_array_equal(rows[name], np.arange(code, 400, 4))
    drawn = split_listing(given, test=None, val=30, labels=None)
    assert len(drawn["val"]) == 30
    assert set(np.concatenate([drawn["train"], drawn["val"]]) % 4) == {0, 1}


def test_no_drawn_split_shares_a_group_with_another(tmp_path):
    people = make_listing(group=pa.array([f"person {row // 5}" for row in range(400)]))
    run(tmp_path, people, labels=None)
    stores = [open_store(tmp_path / "prepared" / name) for name in SPLITS]
    groups = [set(store.labels["group"].to_pylist()) for store in stores]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert len(groups[1]) > 3
    assert 55 < len(stores[3]) <= 60
    assert 35 < len(stores[1]) <= 40


def test_groups_of_every_class_are_drawn_whole_and_the_shortfall_is_reported(tmp_path):
    """A person has 25 pictures: two fit into 60, one into 40."""
    people = make_listing(group=pa.array([f"person {row // 25}" for row in range(400)]), official=0)
    summary = run(tmp_path, people, labels=None)
    assert [summary["splits"][name]["examples"] for name in ("test", "val", "train")] == [50, 25, 325]
    assert "prepare.test=60: 50 examples instead of 60, because groups stay whole" in summary["notes"]


def test_a_budget_that_no_group_fits_into_is_refused():
    pairs = make_listing(labels=np.arange(400) // 2 % 4, official=0)
    rows, targets = np.arange(400), find_targets(pairs, np.arange(400))
    groups, source = rows // 2 * 2, source_splits(pairs.split, 400)
    with pytest.raises(UserError, match=r"prepare.labels_per_class=1: .* class 'ant'"):
        split(rows, source, targets, targets.index, groups, settings_with(labels=None, labels_per_class=1))
    settings = settings_with(labels=None, labels_per_class=3)
    kept, notes = split(rows, source, targets, targets.index, groups, settings)
    assert np.bincount(targets.index[kept["train"]]).tolist() == [2, 2, 2, 2]
    assert "prepare.labels_per_class=3: 8 labels instead of 12, because groups stay whole" in notes


def test_unlabelled_examples_of_a_group_that_is_drawn_into_test_are_left_out(tmp_path):
    """Each person has three labelled pictures and one without a label."""
    part = ["unlabelled" if row % 4 == 3 else None for row in range(400)]
    people = make_listing(
        group=pa.array([f"person {row // 4}" for row in range(400)]), split=pa.array(part, pa.string())
    )
    summary = run(tmp_path, people, labels=None)
    groups = [set(open_store(tmp_path / "prepared" / name).labels["group"].to_pylist()) for name in SPLITS]
    train, val, unlabelled, test = groups
    assert not (train | unlabelled) & (val | test)
    assert train == unlabelled
    lost = len(val) + len(test)
    assert (
        f"{lost} unlabelled examples are left out, because val or test has others of their groups" in summary["notes"]
    )


def test_a_group_in_several_of_the_sources_own_splits_is_reported(tmp_path):
    people = make_listing(group=pa.array([f"person {row % 100}" for row in range(400)]))
    summary = run(tmp_path, people, test=None, labels=None)
    assert "100 groups are in several of train, val and test: in the source's own splits" in summary["notes"]
    assert summary["splits"]["test"]["examples"] == 100


def test_a_test_split_that_another_is_drawn_for_is_not_used(tmp_path):
    images = LISTING.examples.copy()
    images[:50] = images[300:350]
    summary = run(tmp_path, make_listing(examples=images), labels=None)
    assert "the source's own test split (100 examples) is not used, because prepare.test is set" in summary["notes"]
    assert summary["duplicates_left_out"] == 0
    assert sum(split["examples"] for split in summary["splits"].values()) == 300


def test_the_first_examples_of_a_sorted_source_are_refused():
    with pytest.raises(UserError, match=r"prepare.first=120: none of class 'cat', 'dog' is among the first"):
        split_listing(make_listing(labels=np.arange(400) // 60 % 4, official=0), first=120)


def test_equal_images_with_other_labels_are_reported(tmp_path):
    images = LISTING.examples.copy()
    images[200:210] = images[100:110]
    labels = LABELS.copy()
    labels[200:210] = (labels[100:110] + np.repeat([0, 1], 5)) % 4
    summary = run(tmp_path, make_listing(examples=images, labels=labels), labels=None)
    assert "5 images equal an earlier one that has another label (duplicates.csv)" in summary["notes"]
    with (tmp_path / "prepared/duplicates.csv").open(newline="", encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert [row["one_label"] == row["other_label"] for row in listed] == [True] * 5 + [False] * 5


def test_rows_of_a_table_have_no_near_duplicates(tmp_path):
    table = make_listing(examples=np.zeros((400, 3), np.float32), features=["a", "b", "c"])
    with pytest.raises(UserError, match=r"prepare.near_duplicates=true: .* rows of a table"):
        run(tmp_path, table, near_duplicates=True)


def test_duplicates_that_were_not_searched_for_are_null(tmp_path):
    rows = np.zeros((400, 3), np.float32)
    summary = run(tmp_path, make_listing(examples=rows, features=["a", "b", "c"]))
    assert (summary["duplicates"], summary["near_duplicates"]) == (None, None)
    assert not list((tmp_path / "prepared").glob("*duplicates.csv"))


def test_empty_entries_get_the_median_of_the_training_split(tmp_path):
    rows = np.arange(800, dtype=np.float32).reshape(400, 2)
    rows[::3, 0] = np.nan
    summary = run(tmp_path, make_listing(examples=rows.copy(), features=["a", "b"], filled=[0]))
    stores = {name: open_store(tmp_path / "prepared" / name) for name in ("train", "val", "test")}
    found = {name: np.asarray(store.take(np.arange(len(store)))) for name, store in stores.items()}
    was_empty = {name: np.isnan(rows[(values[:, 1].astype(int) - 1) // 2, 0]) for name, values in found.items()}
    median = np.median(found["train"][~was_empty["train"], 0])
    for name, values in found.items():
        assert was_empty[name].any()
        assert (values[was_empty[name], 0] == median).all()
        assert np.array_equal(values[~was_empty[name], 0], values[~was_empty[name], 1] - 1)
    assert summary["mean"][0] == pytest.approx(found["train"][:, 0].mean())
    assert f"'a' {median:.6g}" in summary["notes"][-1]


def test_a_feature_that_is_empty_in_the_whole_training_split(tmp_path):
    rows = np.full((400, 2), np.nan, np.float32)
    with pytest.raises(UserError, match=r"'a' is empty in all .* rows of the training split"):
        run(tmp_path, make_listing(examples=rows, features=["a", "b"], filled=[0]))


def test_small_classes_are_left_out(tmp_path):
    labels = np.repeat([0, 1, 2, 3], [198, 198, 3, 1])
    listing = make_listing(labels=labels, official=2)  # the only example of the last class and one more are test
    summary = run(tmp_path, listing, min_class_size=3, labels=None)
    assert read_json(tmp_path / "prepared/classes.json") == CLASSES[:2]
    assert sum(split["examples"] for split in summary["splits"].values()) == 396
    assert summary["notes"][-1].endswith(f"{CLASSES[3]} 0, {CLASSES[2]} 2; with test and val 4 examples")


def test_too_few_classes_of_that_size(tmp_path):
    with pytest.raises(UserError, match=r"prepare\.min_class_size=1000: leaves 0 of 4 classes .* lower it"):
        run(tmp_path, min_class_size=1000)


def test_a_signal_does_not_wait_for_the_stores(tmp_path, monkeypatch):
    """A long write ends at the next batch."""
    taken = []

    class Slow(ShardWriter):
        def append(self, batch):
            taken.append(len(batch))
            if len(taken) == 5:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.02)
            super().append(batch)

    monkeypatch.setattr(worker, "ShardWriter", Slow)
    monkeypatch.setattr(parts, "BATCH_BYTES", 100)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, labels=None)
    assert len(taken) < 30


def test_equal_images_of_drawn_splits_stay_together(tmp_path):
    images = LISTING.examples.copy()
    images[200:300] = images[100:200]
    summary = run(tmp_path, make_listing(examples=images, labels=np.arange(400) % 100 % 4), labels=None)
    pixels = {}
    for name in SPLITS:
        store = open_store(tmp_path / "prepared" / name)
        pixels[name] = {image.tobytes() for image in store.take(np.arange(len(store)))}
    assert not pixels["train"] & pixels["val"]
    assert not (pixels["train"] | pixels["val"]) & pixels["test"]
    assert (summary["duplicates"], summary["duplicates_left_out"]) == (100, 0)
    with (tmp_path / "prepared/duplicates.csv").open(newline="", encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert all(row["one_in"] == row["other_in"] for row in listed)
    assert (listed[0]["one"], listed[0]["other"]) == ("file:100", "file:200")


@pytest.mark.parametrize(("policy", "left_out"), [("move", 50), ("keep", 0)])
def test_images_that_the_official_test_split_shares(tmp_path, policy, left_out):
    images = LISTING.examples.copy()
    images[:50] = images[300:350]
    copied = make_listing(examples=images)
    summary = run(tmp_path, copied, test=None, labels=None, duplicates=policy)
    test = open_store(tmp_path / "prepared/test")
    np.testing.assert_array_equal(test.take(np.arange(100)), images[300:])
    assert summary["duplicates_left_out"] == left_out
    assert summary["splits"]["train"]["examples"] == 300 - 40 - left_out
    assert any("left out" in note for note in summary["notes"]) == bool(left_out)


def test_shared_images_are_refused_if_the_policy_says_so(tmp_path):
    images = LISTING.examples.copy()
    images[7] = images[300]
    with pytest.raises(UserError, match=r"prepare.duplicates=refuse: 1 images .* file:7 .* file:300"):
        run(tmp_path, make_listing(examples=images), test=None, duplicates="refuse")


def test_faulty_examples_are_left_out_and_reported(tmp_path, capsys):
    summary = run(tmp_path, make_listing(faults={3: "row 4: empty label", 9: "missing"}))
    assert summary["faulty"] == 2
    stores = [open_store(tmp_path / "prepared" / name) for name in SPLITS]
    assert not {"file:3", "file:9"} & {origin for store in stores for origin in store.labels["origin"].to_pylist()}
    assert (tmp_path / "prepared/quarantine.csv").read_text() == (
        "origin,reason\nfile:3,row 4: empty label\nfile:9,missing\n"
    )
    assert "prepare: faulty examples left out: 2 (quarantine.csv)" in capsys.readouterr().err


def test_a_class_that_is_absent_from_val_is_reported(tmp_path, capsys):
    rare = np.where(np.arange(400) < 4, 3, np.arange(400) % 3)
    run(tmp_path, make_listing(labels=rare, official=0), val=4, labels=None)
    assert "prepare: no example of 'dog' in val" in capsys.readouterr().err


def test_a_set_without_labels_is_split_too(tmp_path):
    summary = run(tmp_path, no_labels(), labels=None)
    train = open_store(tmp_path / "prepared/train")
    assert len(train) == 200
    assert train.labels["label"].null_count == 200
    assert (summary["target"], read_json(tmp_path / "prepared/classes.json")) == (None, [])


def test_rows_of_a_table_are_stratified_by_a_features_bins_too(tmp_path):
    ages = np.arange(400, dtype=np.float32).reshape(400, 1) % 100
    table = make_listing(examples=ages, features=["age"], official=0, labels=np.arange(400) // 200)
    table = replace(table, classes=["ant", "bee"])
    summary = run(tmp_path, table, test=40, val=20, labels=None, strata={"age": [65]})
    val = open_store(tmp_path / "prepared/val")
    older = val.take(np.arange(20))[:, 0] >= 65
    labels = val.labels["label"].to_numpy()
    assert [int((older & (labels == label)).sum()) for label in (0, 1)] in ([3, 4], [4, 3])
    train = open_store(tmp_path / "prepared/train")
    assert summary["mean"] == pytest.approx([float(train.take(np.arange(len(train))).mean())])
    assert (summary["min"], summary["max"], summary["features"]) == ([0.0], [99.0], ["age"])


def test_numbers_to_predict_are_kept_beside_the_examples(tmp_path):
    x = np.linspace(1, 2, 400, dtype=np.float32).reshape(400, 1)
    line = replace(make_listing(examples=x, official=0), label=None, classes=None, value=pa.array(2.0 * x[:, 0] + 1))
    summary = run(tmp_path, line, labels=None)
    train = open_store(tmp_path / "prepared/train")
    np.testing.assert_allclose(train.labels["value"].to_numpy(), 2 * train.take(np.arange(300))[:, 0] + 1, rtol=1e-6)
    assert (summary["target"], summary["splits"]["train"]["labelled"]) == ("number", 300)


def test_near_duplicates_are_reported_as_pairs_and_not_moved(tmp_path, capsys):
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 200, (60, 8, 8, 1), dtype=np.uint8)
    images = coarse.repeat(10, axis=1).repeat(10, axis=2)
    images[59] = images[3] + 4
    listing = make_listing(60, 0, np.arange(60) % 3, examples=images, classes=["ant", "bee", "cat"])
    summary = run(tmp_path, listing, test=12, val=9, labels=None)
    with (tmp_path / "prepared/near_duplicates.csv").open(newline="", encoding="utf-8") as file:
        (pair,) = csv.DictReader(file)
    assert (pair["one"], pair["other"], pair["grey_levels"]) == ("file:3", "file:59", "4.0")
    assert {pair["one_in"], pair["other_in"]} <= set(SPLITS)
    assert summary["near_duplicates"] == 1
    assert sum(split["examples"] for split in summary["splits"].values()) == 60
    assert "pairs of near duplicates, kept as they are: 1" in capsys.readouterr().err
