"""The format `arrays`."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sprout.config.formats import FORMATS
from sprout.config.validate import choice
from sprout.data.formats import npy, read_format
from sprout.data.formats.arrays import refuse_negative
from sprout.data.listing import Listing
from sprout.runtime.errors import UserError

Array = np.ndarray[Any, Any]


def listed(root: Path, **options: Any) -> Listing:
    (root / "scratch").mkdir(exist_ok=True)
    defaults = {"train": "x.npy", "train_labels": None, "test": None, "test_labels": None, "classes": None}
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
        (np.array(["cat", " NA", "e\u0301"]), ["cat", "NA", "\u00e9"]),
        (np.array([b"cat", "\u00e9".encode(), b"x"]), ["cat", "\u00e9", "x"]),
    ],
)
def test_labels(tmp_path: Path, labels: Array, expected: list[str]) -> None:
    listing = listed(save(tmp_path, x=images(3, 2, 2), y=labels), train_labels="y.npy")
    assert listing.label is not None
    assert listing.label.to_pylist() == expected


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
        ((2, 2), 1.5, "a value is 1.5, not in 0..1"),
        ((2, 2), -0.1, "a value is -0.1, not in 0..1"),
        ((2, 2), np.nan, "a value is nan, not in 0..1"),
        ((2, 2, 3), np.inf, "a value is inf, not in 0..1"),
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
    assert listing.faults == {1: "no label", 2: "label 'bird' is none of the classes cat, dog"}
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
        (images(3, 3, 4, 5), "x.npy: shape (3, 3, 4, 5), uint8"),
        (images(3, 4, 5, dtype="int64"), "x.npy: shape (3, 4, 5), int64"),
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
        (np.zeros((4, 10), int), "y.npy: shape (4, 10), int64; accepted: (N,) integers"),
        (np.zeros(4), "y.npy: shape (4,), float64; accepted: (N,) integers"),
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


@pytest.mark.parametrize("labels", [[-1, 1, 1, -1], [-2, -1, 0, 1], [0, 1, 2, 3]])
def test_other_negative_labels_are_classes(labels: list[int]) -> None:
    refuse_negative(np.array(labels), "y")
    refuse_negative(np.array([0, 1, 2, -5]).astype(str), "y")


def test_a_single_negative_label_is_refused() -> None:
    with pytest.raises(UserError, match="y: label -5 beside numbers from 0 on: correct it"):
        refuse_negative(np.array([[0], [1], [2], [-5]]), "y")
