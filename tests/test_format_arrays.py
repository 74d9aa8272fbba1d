"""The format `arrays`."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sprout.config.formats import FORMATS
from sprout.config.validate import choice
from sprout.data.formats import npy, read_format
from sprout.data.listing import Listing
from sprout.runtime.errors import UserError

Array = np.ndarray[Any, Any]


def listed(root: Path, **options: Any) -> Listing:
    (root / "scratch").mkdir(exist_ok=True)
    defaults: dict[str, Any] = {"train": "x.npy", "train_labels": None, "val": None, "val_labels": None, "test": None}
    defaults |= {"test_labels": None, "unlabelled": None, "number": False, "missing": None, "classes": None}
    return read_format(
        root, root / "scratch", choice("format", {"kind": "arrays", **defaults | options}, "kind", FORMATS)
    )


def save(root: Path, **arrays: Any) -> Path:
    for name, array in arrays.items():
        np.save(root / f"{name}.npy", array)
    return root


def examples(listing: Listing) -> Array:
    assert isinstance(listing.examples, np.ndarray)
    return listing.examples


def images(count: int, *shape: int, dtype: str = "uint8") -> Array:
    return np.arange(count * int(np.prod(shape))).reshape(count, *shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
def test_one_array_is_mapped_and_not_copied(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    expected = images(3, *shape, dtype=dtype)
    listing = listed(save(tmp_path, x=expected))
    assert isinstance(listing.examples, np.memmap)
    assert not any((tmp_path / "scratch").iterdir())
    np.testing.assert_array_equal(listing.examples, expected)
    assert listing.origin.to_pylist() == ["x.npy[0]", "x.npy[1]", "x.npy[2]"]
    assert (listing.label, listing.split, listing.classes) == (None, None, None)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([2, 10, 0]), ["2", "10", "0"]),
        (np.array([[2], [10], [0]], np.uint8), ["2", "10", "0"]),
        (np.array([1, 2, 3], ">i4"), ["1", "2", "3"]),
        (np.array([True, False, True]), ["true", "false", "true"]),
        (np.array(["cat", " NA", "e\u0301"]), ["cat", None, "\u00e9"]),
        (np.array([2.0, np.nan, 10.0]), ["2", None, "10"]),
        (np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]]), ["2", None, "0"]),
        (np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], "f4"), ["1", "0", "1"]),
        (np.array([b"cat", "\u00e9".encode(), b"x"]), ["cat", "\u00e9", "x"]),
    ],
)
def test_labels(tmp_path: Path, labels: Array, expected: list[str]) -> None:
    listing = listed(save(tmp_path, x=images(3, 2, 2), y=labels), train_labels="y.npy")
    assert listing.label is not None
    assert listing.label.to_pylist() == expected
    assert not listing.faults
    if None in expected:
        assert listing.split is not None
        assert listing.split.to_pylist() == [None if label else "unlabelled" for label in expected]


def test_all_splits(tmp_path: Path) -> None:
    """Each example keeps its pixels, its label and its split."""
    sizes = {"train": 4, "val": 3, "test": 2, "unlabelled": 5}
    arrays = {name: images(size, 2, 3) + 10 * at for at, (name, size) in enumerate(sizes.items())}
    labels = {f"{name}_y": np.arange(size) % 2 for name, size in sizes.items() if name != "unlabelled"}
    save(tmp_path, **arrays, **labels)
    options = {name: f"{name}.npy" for name in sizes} | {f"{name[:-2]}_labels": f"{name}.npy" for name in labels}
    listing = listed(tmp_path, **options)
    np.testing.assert_array_equal(examples(listing), np.concatenate([arrays[name] for name in sizes]))
    assert listing.split is not None
    assert listing.split.to_pylist() == [name for name, size in sizes.items() for _ in range(size)]
    assert listing.label is not None
    assert listing.label.to_pylist() == [*"0101", *"010", *"01", *([None] * 5)]
    assert not listing.faults


def test_numbers_to_learn(tmp_path: Path) -> None:
    save(tmp_path, x=images(4, 3), y=np.array([[0.5], [-2.0], [np.nan], [7.0]], "f4"))
    listing = listed(tmp_path, train_labels="y.npy", number=True)
    assert (listing.label, listing.split) == (None, None)
    assert listing.value is not None
    assert listing.value.to_pylist() == [0.5, -2.0, None, 7.0]
    assert listing.faults == {2: "the target is not a finite number"}


def test_a_missing_label_of_ones_own(tmp_path: Path) -> None:
    listing = listed(save(tmp_path, x=images(3, 2, 2), y=[1, -1, 0]), train_labels="y.npy", missing="-1")
    assert listing.label is not None
    assert listing.label.to_pylist() == ["1", None, "0"]


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_may_come_first(tmp_path: Path, channels: int) -> None:
    expected = images(3, 6, 5, channels)
    listing = listed(save(tmp_path, x=expected.transpose(0, 3, 1, 2)))
    np.testing.assert_array_equal(examples(listing), expected)
    assert listing.notes == [f"x.npy: shape (3, {channels}, 6, 5) is taken as (N, C, H, W)"]


def test_train_and_test_of_an_archive_are_joined(tmp_path: Path) -> None:
    x, more = images(3, 2, 2), images(2, 2, 2) + 100
    np.savez_compressed(tmp_path / "set.npz", x=x, y=[0, 1, 0], x_test=more, y_test=[1, 0])
    names = {
        "train": "set.npz:x",
        "train_labels": "set.npz:y",
        "test": "set.npz:x_test",
        "test_labels": "set.npz:y_test",
    }
    listing = listed(tmp_path, **names, classes=("cat", "dog"))
    np.testing.assert_array_equal(examples(listing), np.concatenate([x, more]))
    assert listing.label is not None
    assert listing.label.to_pylist() == ["cat", "dog", "cat", "dog", "cat"]
    assert listing.split is not None
    assert listing.split.to_pylist() == ["train"] * 3 + ["test"] * 2
    assert listing.origin[3].as_py() == "set.npz:x_test[0]"
    assert listing.classes == ["cat", "dog"]


def test_an_archive_of_one_array_needs_no_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images(2, 2, 2))
    assert len(listed(tmp_path, train="x.npz")) == 2


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", ">f4", "float16"])
def test_features_become_float32(tmp_path: Path, dtype: str) -> None:
    expected = np.arange(6).reshape(3, 2).astype(dtype)
    found = examples(listed(save(tmp_path, x=expected)))
    assert found.dtype == np.dtype("float32")
    np.testing.assert_array_equal(found, expected.astype("float32"))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f8"])
def test_float_images_keep_their_values(tmp_path: Path, dtype: str) -> None:
    expected = (images(3, 2, 2) / 16).astype(dtype)
    found = listed(save(tmp_path, x=expected))
    assert not found.faults
    np.testing.assert_array_equal(examples(found), expected)


def test_fortran_order(tmp_path: Path) -> None:
    expected = images(5, 3, 4)
    np.testing.assert_array_equal(examples(listed(save(tmp_path, x=np.asfortranarray(expected)))), expected)


def test_a_large_array_is_joined_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy, "IN_MEMORY", 10)
    monkeypatch.setattr(npy, "SLICE", 100)
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[[7, 41]] = np.inf
    listing = listed(save(tmp_path, x=x))
    assert isinstance(listing.examples, np.memmap)
    np.testing.assert_array_equal(listing.examples, x.astype("float32"))
    assert list(listing.faults) == [7, 41]


@pytest.mark.parametrize(
    ("shape", "value", "reason"),
    [
        ((5,), np.nan, "a value is nan, not a finite number"),
        ((5,), 1e300, "a value is inf, not a finite number"),
    ],
)
def test_an_invalid_value(tmp_path: Path, shape: tuple[int, ...], value: float, reason: str) -> None:
    x = np.full((3, *shape), 0.5)
    x[1].flat[2] = value
    listing = listed(save(tmp_path, x=x))
    [(row, found)] = listing.faults.items()
    assert row == 1
    assert found.startswith(reason)


def test_faulty_labels(tmp_path: Path) -> None:
    save(tmp_path, x=images(4, 2, 2), y=np.array(["cat", "", "bird", "dog"]))
    listing = listed(tmp_path, train_labels="y.npy", classes=("cat", "dog"))
    assert listing.faults == {2: "label 'bird' is none of the classes cat, dog"}
    assert listing.label is not None
    assert listing.label.to_pylist() == ["cat", None, None, "dog"]


def test_a_class_index_out_of_range(tmp_path: Path) -> None:
    listing = listed(save(tmp_path, x=images(3, 2, 2), y=[0, 2, -1]), train_labels="y.npy", classes=("cat", "dog"))
    assert list(listing.faults) == [1, 2]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (images(3, 4), None),
        (images(12), "x.npy: shape (12,), uint8; accepted: images"),
        (images(3, 4, 5, 2), "x.npy: shape (3, 4, 5, 2), uint8"),
        (images(3, 2, 4, 5), "x.npy: shape (3, 2, 4, 5), uint8"),
        (images(3, 4, 5, dtype="int64"), None),
        (images(3, 4, 5, dtype="bool"), "x.npy: shape (3, 4, 5), bool"),
        (images(3, 4, dtype="complex64"), "x.npy: shape (3, 4), complex64"),
        (np.array([["a", "b"]]), "x.npy: shape (1, 2), <U1"),
        (np.uint8(3), "x.npy: shape (), uint8"),
        (images(0, 4, 5), "x.npy: shape (0, 4, 5), so it is empty"),
        (images(3, 0, 5), "x.npy: shape (3, 0, 5), so it is empty"),
        (np.array([{}, None], dtype=object), "x.npy: an array of Python objects, which is not read"),
    ],
)
def test_arrays_that_are_not_examples(tmp_path: Path, x: Array, message: str | None) -> None:
    save(tmp_path, x=x)
    if message is None:
        listed(tmp_path)
        return
    with pytest.raises(UserError) as caught:
        listed(tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(3, int), "y.npy: 3 labels for the 4 examples of x.npy"),
        (np.ones((4, 3), int), "y.npy: shape (4, 3), and row 0 is [1, 1, 1], not one-hot"),
        (np.full((4, 3), 2), "y.npy: shape (4, 3), and row 0 is [2, 2, 2], not one-hot"),
        (np.zeros((4, 2, 2), int), "y.npy: shape (4, 2, 2), int64; accepted: (N,) or (N, 1) integers"),
        (np.array([0, 1.5, 0, 1]), "y.npy: label 1 is 1.5; accepted for classes: whole numbers"),
        (np.array([b"\xff"] * 4), "y.npy: a label is not UTF-8"),
        (np.array(["cat"] * 4, dtype=object), "y.npy: an array of Python objects"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, y: Array, message: str) -> None:
    with pytest.raises(UserError) as caught:
        listed(save(tmp_path, x=images(4, 2, 2), y=y), train_labels="y.npy")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_labels": "y.npy"}, "test_labels=y.npy: there is no `test`"),
        ({"test": "t.npy", "train_labels": "y.npy"}, "test_labels=null"),
        ({"test": "t.npy", "test_labels": "y.npy"}, "train_labels=null"),
        ({"val": "t.npy", "val_labels": "y.npy"}, "train_labels=null"),
        ({"unlabelled": "t.npy"}, "unlabelled=t.npy: train has no labels either"),
        ({"test": "t.npy"}, "t.npy: shape (2, 3, 3), uint8, but x.npy has (4, 2, 2), uint8"),
        ({"test": "f.npy"}, "f.npy: shape (4, 2, 2), float64, but x.npy has (4, 2, 2), uint8"),
        ({"train": "gone.npy"}, "gone.npy: no such file"),
        ({"train": "../x.npy"}, "../x.npy: no such file"),
        ({"train": "gone.npz:x"}, "gone.npz: no such file"),
        ({"train": "set.npz:z"}, "set.npz:z: no such array; there are: 'a', 'b'"),
        ({"train": "set.npz"}, "set.npz: no such array; there are: 'a', 'b'"),
        ({"train": "objects.npz:o"}, "objects.npz:o: an array of Python objects"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    save(tmp_path, x=images(4, 2, 2), t=images(2, 3, 3), f=np.zeros((4, 2, 2)), y=np.zeros(4, int))
    np.savez(tmp_path / "set.npz", a=images(2, 2, 2), b=images(2, 2, 2))
    np.savez(tmp_path / "objects.npz", o=np.array([{}], dtype=object))
    with pytest.raises(UserError) as caught:
        listed(tmp_path, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("keep", [0, 5, 20, 100, -1])
def test_a_truncated_file(tmp_path: Path, keep: int) -> None:
    path = save(tmp_path, x=images(40, 5, 5)) / "x.npy"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"x\.npy: (not a NumPy array|.* it is truncated)"):
        listed(tmp_path)


def test_a_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy, "ALWAYS_ALLOWED", 10_000)
    monkeypatch.setattr(npy, "MAX_RATIO", 100)
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((2000, 40), np.uint8))
    with pytest.raises(UserError, match=r"x.npz: \d+ bytes unpack to \d+; save it uncompressed"):
        listed(tmp_path, train="x.npz")


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "long", "no array"])
@pytest.mark.parametrize("save_archive", [np.savez, np.savez_compressed])
def test_a_damaged_archive(tmp_path: Path, damage: str, save_archive: Any) -> None:
    path = tmp_path / "x.npz"
    save_archive(path, x=np.random.default_rng(0).integers(0, 256, (9, 40, 40), np.uint8))
    content = bytearray(path.read_bytes())
    if damage in ("long", "no array"):
        array = zipfile.ZipFile(path).read("x.npy")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", array + b"more" if damage == "long" else "text")
    elif damage == "text":
        path.write_text("text")
    else:
        content[5000] ^= 0xFF
        path.write_bytes(content[: 4000 if damage == "cut" else None])
    with pytest.raises(UserError, match=r"x\.npz:x: ") as caught:
        listed(tmp_path, train="x.npz:x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "head",
    [
        "",
        "text",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2, 2)}",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<q9', 'fortran_order': False, 'shape': (2, 2)}",
        "[" * 5000,
    ],
)
def test_a_damaged_header(tmp_path: Path, head: str) -> None:
    text = head.encode() + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(32))
    with pytest.raises(UserError, match=r"x\.npy: not a NumPy array"):
        listed(tmp_path)
