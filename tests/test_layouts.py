"""Layouts in which data sets are published: which labels and splits come of each, or what is asked."""

import gzip
import json
import os
import struct
import sys
from collections.abc import Callable, Iterator
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat

from pictures import encoded
from sprout.config.formats import Folders, Paths, Table
from sprout.data.formats import read_format
from sprout.data.formats.text_table import open_table
from sprout.data.importing.detect_format import detect_format
from sprout.data.importing.link_files import files_of_folder
from sprout.data.importing.table_sample import UNSAID, Columns
from sprout.data.listing import Files
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import Fault, without_pillow_limits
from sprout.data.prepare.worker import decoder
from sprout.runtime.errors import UserError
from test_archive import tar

Found = dict[str, tuple[str | None, str | None]]
"""Path of an image → label and split."""
BREEDS = ("beagle", "collie", "pug")


def images(root: Path, *paths: str) -> None:
    """Write an image for each of these paths."""
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number % 256, 7, 9)).save(root / path, "PNG")


def text(root: Path, name: str, *lines: str) -> None:
    """Write a text file."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def numbered(pattern: str, count: int, start: int = 0) -> list[str]:
    """Return names with consecutive numbers."""
    return [pattern.format(number) for number in range(start, start + count)]


def labelled(names: list[str], split: str | None = None, labels: tuple[str, ...] = BREEDS) -> Found:
    """Return what is expected of images whose labels alternate."""
    return {name: (label, split) for name, label in zip(names, cycle(labels), strict=False)}


def brain_tumours(root: Path) -> Found:
    paths = [f"{part}/{name}/{n}.jpg" for part in ("Training", "Testing") for name in BREEDS for n in (1, 2)]
    images(root, *paths)
    splits = {"Training": "train", "Testing": "test"}
    return {path: (path.split("/")[1], splits[path.split("/")[0]]) for path in paths}


def intel_scenes(root: Path) -> Found:
    train, test = ([f"seg_{part}/seg_{part}/{name}/1.jpg" for name in BREEDS] for part in ("train", "test"))
    pool = ["seg_pred/seg_pred/3.jpg", "seg_pred/seg_pred/4.jpg"]
    images(root, *train, *test, *pool)
    return labelled(train, "train") | labelled(test, "test") | dict.fromkeys(pool, (None, "unlabelled"))


def dog_breeds(root: Path) -> Found:
    names = numbered("{:06x}", 6)
    images(root, *(f"train/{name}.jpg" for name in names), *numbered("test/{:06x}.jpg", 3, 900))
    text(root, "labels.csv", "id,breed", *(f"{name},{breed}" for name, breed in zip(names, BREEDS * 2, strict=True)))
    text(root, "sample_submission.csv", "id,beagle,collie,pug", "000384,0.3,0.3,0.3")
    return labelled([f"train/{name}.jpg" for name in names], "train")


def cassava_leaves(root: Path) -> Found:
    names = numbered("{}.jpg", 6)
    images(root, *(f"train_images/{name}" for name in names), *numbered("test_images/{}.jpg", 3, 900))
    text(root, "train.csv", "image_id,label", *(f"{name},{n % 3}" for n, name in enumerate(names)))
    text(root, "sample_submission.csv", "image_id,label", "900.jpg,0")
    return labelled([f"train_images/{name}" for name in names], "train", ("0", "1", "2"))


def roboflow(root: Path) -> Found:
    found: Found = {}
    for part, split, start in (("train", "train", 0), ("valid", "val", 6), ("test", "test", 9)):
        names = numbered("p{}_jpg.rf.jpg", 3, start)
        images(root, *(f"{part}/{name}" for name in names))
        rows = [f"{name}, {', '.join(str(int(n == k)) for k in range(3))}" for n, name in enumerate(names)]
        text(root, f"{part}/_classes.csv", "filename, beagle, collie, pug", *rows)
        found |= labelled([f"{part}/{name}" for name in names], split)
    return found


def hugging_face(root: Path) -> Found:
    found: Found = {}
    for part, start in (("train", 0), ("test", 3)):
        names = numbered("{:04d}.png", 3, start)
        images(root, *(f"{part}/{name}" for name in names))
        rows = [f"{name},{breed}" for name, breed in zip(names, BREEDS, strict=True)]
        text(root, f"{part}/metadata.csv", "file_name,label", *rows)
        found |= labelled([f"{part}/{name}" for name in names], part)
    return found


def hugging_face_lines(root: Path) -> Found:
    names = numbered("{:04d}.png", 3)
    images(root, *names)
    rows = [f'{{"file_name": "{name}", "label": "{breed}"}}' for name, breed in zip(names, BREEDS, strict=True)]
    text(root, "metadata.jsonl", *rows)
    return labelled(names)


def pandas_index(root: Path) -> Found:
    names = numbered("images/{}.jpg", 3)
    images(root, *names)
    rows = [f"{n},{name},{BREEDS[n]}" for n, name in enumerate(names)]
    text(root, "train.csv", ",filename,breed", *rows)
    return labelled(names)


def plant_pathology(root: Path) -> Found:
    names = numbered("images/Train_{}.jpg", 6)
    images(root, *names)
    rows = [f"{name},{int(n % 3 == 0)},{int(n % 3 == 1)},{int(n % 3 == 2)}" for n, name in enumerate(names)]
    text(root, "train.csv", "image_id,beagle,collie,pug", *rows)
    return labelled(names)


def seedlings(root: Path) -> Found:
    train, test = [f"train/{name}/1.png" for name in BREEDS], numbered("test/{}.png", 2)
    images(root, *train, *test)
    text(root, "sample_submission.csv", "file,species", "0.png,beagle")
    return labelled(train, "train") | dict.fromkeys(test, (None, "unlabelled"))


def skin_lesions(root: Path) -> Found:
    paths = [*numbered("HAM10000_images_part_1/ISIC_{}.jpg", 3), *numbered("HAM10000_images_part_2/ISIC_{}.jpg", 3, 3)]
    images(root, *paths)
    rows = [f"HAM_{n // 2},{Path(path).stem},{BREEDS[n % 3]},histo,{40 + n}" for n, path in enumerate(paths)]
    text(root, "HAM10000_metadata.csv", "lesion_id,image_id,dx,dx_type,age", *rows)
    text(root, "hmnist_8_8_L.csv", "pixel0000,pixel0001,label", "1,2,0", "3,4,1")
    return labelled(paths)


def birds(root: Path) -> Found:
    paths = [f"{part}/{name}/1.jpg" for part in ("train", "valid", "test") for name in BREEDS]
    images(root, *paths)
    rows = [f"0,{path},{path.split('/')[1]},{path.split('/')[0]}" for path in paths]
    text(root, "birds.csv", "class id,filepaths,labels,data set", *rows)
    splits = {"train": "train", "valid": "val", "test": "test"}
    return {path: (path.split("/")[1], splits[path.split("/")[0]]) for path in paths}


def celebrities(root: Path) -> Found:
    names = numbered("img_align/{:06d}.jpg", 6)
    images(root, *names)
    rows = [f"{Path(name).name},{n // 2},{BREEDS[n % 3]}" for n, name in enumerate(names)]
    text(root, "list.csv", "image_id,partition,label", *rows)
    splits = ("train", "train", "val", "val", "test", "test")
    return {name: (BREEDS[n % 3], splits[n]) for n, name in enumerate(names)}


def few_labels(root: Path) -> Found:
    names = numbered("im/{}.png", 6)
    images(root, *names)
    text(root, "t.csv", "path,label", *(f"{name},{BREEDS[n] if n < 3 else ''}" for n, name in enumerate(names)))
    return labelled(names[:3]) | dict.fromkeys(names[3:], (None, "unlabelled"))


def flowers(root: Path) -> Found:
    paths = [f"flowers/images/{name}/1.jpg" for name in BREEDS]
    images(root, *paths)
    text(root, "flowers/README.md", "x")
    text(root, "flowers/metadata.json", "{}")
    return labelled(paths)


def food(root: Path) -> Found:
    paths = [f"images/{name}/{n}.jpg" for name in BREEDS for n in (1, 2)]
    images(root, *paths)
    text(root, "meta/train.txt", "beagle/1", "pug/1")
    text(root, "meta/classes.txt", *BREEDS)
    return {path: (path.split("/")[1], None) for path in paths}


def caffe(root: Path) -> Found:
    names = numbered("images/my cat {}.jpg", 6)
    images(root, *names)
    text(root, "labels.txt", *(f"{name} {n % 3}" for n, name in enumerate(names)))
    text(root, "classes.txt", *BREEDS)
    return labelled(names)


def lists_of_splits(root: Path) -> Found:
    found: Found = {}
    for part, start in (("train", 0), ("val", 6), ("test", 9)):
        names = numbered("JPEGImages/{}.JPEG", 6 if part == "train" else 3, start)
        images(root, *names)
        text(root, f"lists/{part}.txt", *(f"{name}\t{n % 3}" for n, name in enumerate(names)))
        found |= labelled(names, part)
    text(root, "lists/classes.txt", *(f"{n}: {name}" for n, name in enumerate(BREEDS)))
    return found


def tables_of_splits(root: Path) -> Found:
    found: Found = {}
    for part, start in (("train", 0), ("valid", 6), ("test", 9)):
        names = numbered("all/{}.png", 3, start)
        images(root, *names)
        text(root, f"birds_{part}.csv", "file,label", *(f"{n},{b}" for n, b in zip(names, BREEDS, strict=True)))
        found |= labelled(names, {"valid": "val"}.get(part, part))
    text(root, "about.csv", "what,who", "birds,me")
    return found


def competition(root: Path) -> Found:
    train, test = numbered("images/{}.png", 6), numbered("images/{}.png", 3, 6)
    images(root, *train, *test)
    text(root, "train.csv", "id,species", *(f"{n},{BREEDS[n % 3]}" for n in range(6)))
    text(root, "test.csv", "id", "6", "7", "8")
    text(root, "sample_submission.csv", "id,species", "6,pug")
    return labelled(train, "train") | dict.fromkeys(test, (None, "unlabelled"))


def hospitals(root: Path) -> Found:
    paths = [f"{place}/{name}/1.jpg" for place in ("north", "south") for name in BREEDS]
    images(root, *paths)
    return labelled(paths)


def splits_in_classes(root: Path) -> Found:
    paths = [f"{name}/{part}/1.jpg" for name in BREEDS for part in ("train", "test")]
    images(root, *paths)
    return {path: (path.split("/")[0], path.split("/")[1]) for path in paths}


LAYOUTS: tuple[Callable[[Path], Found], ...] = (
    *(brain_tumours, intel_scenes, dog_breeds, cassava_leaves, roboflow, hugging_face, hugging_face_lines),
    *(pandas_index, plant_pathology, seedlings, skin_lesions, birds, celebrities, few_labels, flowers, hospitals),
    *(splits_in_classes, food, caffe, lists_of_splits, tables_of_splits, competition),
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_what_is_learned(tmp_path: Path, layout: Callable[[Path], Found]) -> None:
    root, scratch = tmp_path / "data", tmp_path / "scratch"
    expected = layout(root)
    (scratch / "arrays").mkdir(parents=True)
    detected = detect_format(root, scratch)
    listing = read_format(detected.root, scratch / "arrays", detected.format)
    assert isinstance(listing.examples, Files)
    assert listing.label is not None
    splits = [None] * len(listing) if listing.split is None else listing.split.to_pylist()
    found = dict(
        zip(listing.examples.paths.to_pylist(), zip(listing.label.to_pylist(), splits, strict=True), strict=True)
    )
    assert found == expected
    assert not listing.faults


Array = np.ndarray[Any, np.dtype[Any]]
Learned = dict[tuple[int, ...], tuple[str | float | None, str | None]]
"""The values of an image or a row → label or number, and split."""
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 4, 5, 3), np.uint8)
SPLITS = ("train", "train", "val", "test")


def values(example: Array) -> tuple[int, ...]:
    """Return what tells an example from the others."""
    return tuple(np.asarray(example).reshape(-1).tolist())


def learned_from(root: Path, scratch: Path, columns: Columns = UNSAID) -> Learned:
    """Read data, and decode its images."""
    (scratch / "arrays").mkdir(parents=True)
    detected = detect_format(root, scratch, columns)
    listing = read_format(detected.root, scratch / "arrays", detected.format)
    assert not listing.faults
    examples = listing.examples
    if isinstance(examples, Files) or examples.ndim > 2:
        folder, items = (
            (examples.place, examples.some(slice(None))) if isinstance(examples, Files) else (None, examples)
        )
        with without_pillow_limits():
            rows = [decoder(folder, ImageFormat(None, None, "none", 10**6))(item) for item in items]
    else:
        rows = list(examples)
    targets, splits = (
        [None] * len(listing) if column is None else column.to_pylist()
        for column in (listing.label if listing.value is None else listing.value, listing.split)
    )
    return {values(row): found for row, found in zip(rows, zip(targets, splits, strict=True), strict=True)}


def in_turn(examples: Array, targets: Array | list[str], splits: tuple[str, ...] | None = SPLITS) -> Learned:
    """Return what is expected of examples whose splits take turns."""
    found = [splits[row % len(splits)] if splits else None for row in range(len(examples))]
    named = [target if isinstance(target, float) else str(target) for target in np.asarray(targets).tolist()]
    return {values(row): pair for row, pair in zip(examples, zip(named, found, strict=True), strict=True)}


def medical(root: Path) -> Learned:
    """The .npz of MedMNIST."""
    labels = np.arange(24) // 4 % 3
    places = {"train": np.arange(24) % 4 < 2, "val": np.arange(24) % 4 == 2, "test": np.arange(24) % 4 == 3}
    arrays = {f"{name}_images": PIXELS[rows] for name, rows in places.items()}
    arrays |= {f"{name}_labels": labels[rows].astype(np.uint8)[:, None] for name, rows in places.items()}
    np.savez(root / "medical.npz", **arrays)
    return in_turn(PIXELS, labels)


def of_torch(root: Path) -> Learned:
    """Channels first, and labels that a missing value has made floats."""
    labels = np.arange(24) % 3 + 0.0
    labels[5] = np.nan
    np.savez(root / "a.npz", X_train=PIXELS.transpose(0, 3, 1, 2), Y_train=labels)
    return in_turn(PIXELS, np.arange(24) % 3, None) | {values(PIXELS[5]): (None, "unlabelled")}


def of_keras(root: Path) -> Learned:
    """One-hot labels, grey images, a folder of .npy, a test split without labels."""
    np.save(root / "x_train.npy", PIXELS[:18, :, :, 0])
    np.save(root / "y_train.npy", np.eye(3, dtype="f4")[np.arange(18) % 3])
    np.save(root / "x_test.npy", PIXELS[18:, :, :, 0])
    pool: Learned = dict.fromkeys(map(values, PIXELS[18:, :, :, 0]), (None, "unlabelled"))
    return in_turn(PIXELS[:18, :, :, 0], np.arange(18) % 3, ("train",)) | pool


def regression(root: Path) -> Learned:
    features, target = PIXELS[:, 0, :, 0].astype("f4"), np.arange(24) / 4
    np.savez(root / "a.npz", x_train=features[:16], y_train=target[:16], x_test=features[16:], y_test=target[16:])
    train, test = ((features[rows], target[rows]) for rows in (slice(16), slice(16, 24)))
    return in_turn(*train, ("train",)) | in_turn(*test, ("test",))


def idx(path: Path, array: Array) -> None:
    """Write a file of MNIST's format, compressed if its name says so."""
    data = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def handwriting(root: Path) -> Learned:
    """The files of EMNIST, one of them unpacked."""
    grey, labels = PIXELS[:, :, :, 0], np.arange(24) % 3
    idx(root / "emnist-letters-train-images-idx3-ubyte.gz", grey[:16])
    idx(root / "emnist-letters-train-labels-idx1-ubyte", labels[:16])
    idx(root / "emnist-letters-test-images-idx3-ubyte.gz", grey[16:])
    idx(root / "emnist-letters-test-labels-idx1-ubyte.gz", labels[16:])
    train, test = ((grey[rows], labels[rows]) for rows in (slice(16), slice(16, 24)))
    return in_turn(*train, ("train",)) | in_turn(*test, ("test",))


def house_numbers(root: Path) -> Learned:
    """The .mat files of SVHN: the same names in each, examples along the last axis."""
    labels = np.arange(24) % 3 + 1
    for split, rows in (("train", slice(16)), ("test", slice(16, 24))):
        contents = {"X": PIXELS[rows].transpose(1, 2, 3, 0), "y": labels[rows][:, None].astype(np.uint8)}
        savemat(root / f"{split}_32x32.mat", contents)
    return in_turn(PIXELS[:16], labels[:16], ("train",)) | in_turn(PIXELS[16:], labels[16:], ("test",))


def png(image: Array) -> bytes:
    """Return the bytes of an image file."""
    return encoded(Image.fromarray(image), "PNG")


def on_the_hub(root: Path) -> Learned:
    """Parquet as Hugging Face's `datasets` writes it: several files, named classes, -1 for no label."""
    labels = np.arange(24) % 3
    labels[[3, *range(16, 24)]] = -1
    features = {"label": {"names": list(BREEDS), "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    parts = {
        "train-00000-of-00002": slice(8),
        "train-00001-of-00002": slice(8, 16),
        "test-00000-of-00001-0123456789abcdef": slice(16, 24),
    }
    for name, rows in parts.items():
        structs = [{"bytes": png(image), "path": "1.png"} for image in PIXELS[rows]]
        (root / "data").mkdir(exist_ok=True)
        table = pa.table({"image": structs, "label": labels[rows]})
        pq.write_table(table.replace_schema_metadata(metadata), root / "data" / f"{name}.parquet")
    text(root, "README.md", "# a card")
    pool: Learned = dict.fromkeys(map(values, PIXELS[labels == -1]), (None, "unlabelled"))
    return in_turn(PIXELS, [BREEDS[label] for label in labels], ("train",)) | pool


def converted(root: Path) -> Learned:
    """Parquet as the hub converts it, in a folder for each split; the column of images holds bytes."""
    for split, rows in (("train", slice(16)), ("validation", slice(16, 24))):
        (root / "default" / split).mkdir(parents=True)
        table = pa.table({"img": [png(image) for image in PIXELS[rows]], "label": [*"abcd"] * (len(PIXELS[rows]) // 4)})
        pq.write_table(table, root / "default" / split / "0000.parquet")
    names = [*"abcd"] * 6
    return in_turn(PIXELS[:16], names[:16], ("train",)) | in_turn(PIXELS[16:], names[16:], ("val",))


def shard(path: Path, rows: range, **extra: bytes) -> None:
    """Write an archive of a WebDataset."""
    members = {}
    for row in rows:
        members[f"{row:06}.png"] = png(PIXELS[row])
        members[f"{row:06}.cls"] = str(row % 3).encode()
    path.write_bytes(tar(*members.items(), *extra.items()))


def streamed(root: Path) -> Learned:
    shard(root / "pets-train-000000.tar", range(8))
    shard(root / "pets-train-000001.tar", range(8, 16))
    shard(root / "pets-validation-000000.tar", range(16, 24))
    labels = np.arange(24) % 3
    return in_turn(PIXELS[:16], labels[:16], ("train",)) | in_turn(PIXELS[16:], labels[16:], ("val",))


def streamed_in_one(root: Path) -> Learned:
    """One archive; its last image has no label."""
    shard(root / "pets.tar", range(23), **{"000023.png": png(PIXELS[23])})
    return in_turn(PIXELS[:23], np.arange(23) % 3, None) | {values(PIXELS[23]): (None, "unlabelled")}


def streamed_objects(root: Path) -> Learned:
    """Labels in JSON objects, whose lists are not columns."""
    members: list[tuple[str, bytes]] = []
    for row, image in enumerate(PIXELS):
        members.append((f"./{row}.seg.png", png(PIXELS[0])))
        members.append((f"./{row}.jpg", png(image)))
        members.append(
            (f"./{row}.json", json.dumps({"label": BREEDS[row % 3], "image": f"{row}.jpg", "box": [4, 5]}).encode())
        )
    (root / "pets.tar").write_bytes(tar(*members))
    return in_turn(PIXELS, list(BREEDS) * 8, None)


PACKED: tuple[Callable[[Path], Learned], ...] = (
    *(medical, of_torch, of_keras, regression, handwriting, house_numbers, on_the_hub, converted),
    *(streamed, streamed_in_one, streamed_objects),
)


@pytest.mark.parametrize("layout", PACKED, ids=lambda layout: layout.__name__)
def test_what_is_learned_of_packed_data(tmp_path: Path, layout: Callable[[Path], Learned]) -> None:
    (tmp_path / "data").mkdir()
    expected = layout(tmp_path / "data")
    found = learned_from(tmp_path / "data", tmp_path / "scratch")
    assert found == expected


def test_numbers_may_be_classes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "a.npz", x=PIXELS[:, 0, :, 0], y=np.arange(24))
    found = learned_from(tmp_path / "data", tmp_path / "first")
    assert found[values(PIXELS[3, 0, :, 0])] == (3.0, None)
    found = learned_from(tmp_path / "data", tmp_path / "second", Columns("y=class"))
    assert found[values(PIXELS[3, 0, :, 0])] == ("3", None)
    with pytest.raises(UserError, match="--target=z: accepted for these arrays: y=class and y=number"):
        detect_format(tmp_path / "data", tmp_path, Columns("z"))


THREE, TWO = (gzip.compress(b"\0\0\x08\x01\0\0\0\x02" + values, mtime=0) for values in (b"abc", b"ab"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a-images-idx3-ubyte", b"\0\0\x08\x03" + bytes([0, 0, 0, 2] * 3) + bytes(7), "7 bytes of values where .* 8"),
        (
            "a-images-idx3-ubyte.gz",
            THREE,
            "3 bytes of values where .* 2",
        ),
        (
            "a-images-idx3-ubyte.gz",
            TWO[:-9],
            "damaged .*; download or save",
        ),
        ("a.mat", b"text", "a.mat: not a MATLAB file .*; save it again"),
        ("a.mat", b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\x02IM" + bytes(9), r"a.mat: of MATLAB 7.3, .*'-v7'"),
    ],
)
def test_damaged_arrays(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        learned_from(tmp_path / "data", tmp_path / "scratch")


def test_tables_of_several_data_sets_are_asked_about(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"image": [png(PIXELS[0])], "label": [0]}), tmp_path / name / "0000.parquet")
    with pytest.raises(UserError, match=r"several data sets.*cats/0000.parquet.*name the folder of one"):
        detect_format(tmp_path, tmp_path)


def test_an_image_that_a_table_lacks_is_a_fault(tmp_path: Path) -> None:
    structs = [{"bytes": png(PIXELS[0]), "path": None}, {"bytes": None, "path": "away.png"}]
    pq.write_table(pa.table({"image": structs, "label": [0, 1]}), tmp_path / "a.parquet")
    (tmp_path / "scratch").mkdir()
    found = detect_format(tmp_path / "a.parquet", tmp_path / "scratch")
    listing = read_format(found.root, tmp_path / "scratch", found.format)
    assert listing.faults == {1: "no image in column 'image'"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar(("1.png", b"x"), ("2.png", b"x")), "no files KEY.jpg and KEY.cls or KEY.json side by side; unpack it"),
        (tar(("1.png", b"x"), ("1.json", b"[1]")), "1.json is not a JSON object .*; pack it again"),
        (tar(("1.png", b"x"), ("1.cls", b"\xff")), "1.cls is not text in UTF-8"),
        (tar(("1.png", b"x"), ("1.cls", b"0"))[:700], "damaged after .*; download or pack it again"),
    ],
)
def test_an_archive_that_is_no_shard(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(UserError, match=message):
        open_table(tmp_path, "a.tar")


def test_folders_of_images_with_json_beside_them_are_classes(tmp_path: Path) -> None:
    members = [(f"{BREEDS[row % 3]}/{row}.png", png(image)) for row, image in enumerate(PIXELS)]
    members += [(name.replace("png", "json"), b'{"label": "no"}') for name, _ in members]
    (tmp_path / "a.tar").write_bytes(tar(*sorted(members)))
    found = detect_format(tmp_path / "a.tar", tmp_path / "scratch")
    assert found.format == Folders("folders")


def test_minus_one_in_an_array_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "a.npz", x=PIXELS, y=np.arange(24) % 4 - 1)
    with pytest.raises(UserError, match=r"y has -1 beside numbers from 0 on.*--missing=-1.*--target y=class"):
        detect_format(tmp_path / "data", tmp_path)
    found = learned_from(tmp_path / "data", tmp_path / "scratch", Columns(missing="-1"))
    assert [found[values(PIXELS[row])] for row in (0, 1)] == [(None, "unlabelled"), ("0", None)]


def named(root: Path, pattern: str) -> Found:
    """Return label and split of images whose names have a pattern."""
    found = detect_format(root, root / "scratch", Columns(pattern=pattern))
    listing = read_format(found.root, root, found.format)
    assert isinstance(listing.examples, Files)
    assert listing.label is not None
    assert listing.split is not None
    assert not listing.faults
    return dict(
        zip(
            listing.examples.paths.to_pylist(),
            zip(listing.label.to_pylist(), listing.split.to_pylist(), strict=True),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{label}_*.jpg", {"a/american_bulldog_12.jpg": ("american_bulldog", None), "a/Pug_1.JPG": ("Pug", None)}),
        ("{label}.*.jpg", {"train/cat.0.jpg": ("cat", "train"), "train/dog.1.jpg": ("dog", "train")}),
        ("{split}-{label}-*.png", {"val-cat-1.png": ("cat", "val"), "TEST-dog-1.png": ("dog", "test")}),
        ("{label}/images/*", {"one/cat/images/1.png": ("cat", None), "two/dog/images/1.png": ("dog", None)}),
        ("{label}[*].png", {"cat[1].png": ("cat", None), "dog[2].png": ("dog", None)}),
    ],
)
def test_labels_in_names(tmp_path: Path, pattern: str, expected: Found) -> None:
    images(tmp_path, *expected)
    assert named(tmp_path, pattern) == expected
    images(tmp_path, "other")
    assert named(tmp_path, pattern) == expected | {"other": (None, "unlabelled")}


def test_a_test_split_of_other_names_is_the_pool(tmp_path: Path) -> None:
    images(tmp_path, "train/cat.0.jpg", "train/dog.1.jpg", "test1/1.jpg", "test1/2.jpg")
    found = named(tmp_path, "{label}.*.jpg")
    assert [found[f"test1/{number}.jpg"] for number in (1, 2)] == [(None, "unlabelled")] * 2


def test_groups_in_names(tmp_path: Path) -> None:
    images(tmp_path, "ann_cat_1.png", "bob_dog_1.png")
    found = detect_format(tmp_path, tmp_path / "scratch", Columns(pattern="{group}_{label}_*"))
    listing = read_format(found.root, tmp_path, found.format)
    assert listing.group is not None
    assert listing.group.to_pylist() == ["ann", "bob"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{label}-*.jpg", r"no image is named like '{label}-\*.jpg'.*there are: cat.0.jpg, .*'{label}_\*.jpg'"),
        ("*.jpg", r"format.pattern=.*should have {label} once"),
        ("{label}{class}", "should have {label} once"),
    ],
)
def test_a_pattern_that_does_not_fit(tmp_path: Path, pattern: str, message: str) -> None:
    images(tmp_path, *(f"{'cat' if n % 2 else 'dog'}.{n}.jpg" for n in range(20)), "cat.0.jpg")
    with pytest.raises(UserError, match=message):
        named(tmp_path, pattern)
    assert detect_format(tmp_path, tmp_path).notes == [
        "the names may tell their classes; if so: --pattern '{label}.*.*'"
    ]


def hub_cache(root: Path, files: dict[str, bytes], revision: str = "abc") -> Path:
    """Write files as Hugging Face's hub caches them: as links to blobs."""
    for number, (name, data) in enumerate(files.items()):
        path, blob = root / "snapshots" / revision / name, root / "blobs" / f"{revision}{number:040}"
        for folder in (path.parent, blob.parent):
            folder.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        path.symlink_to(os.path.relpath(blob, path.parent))
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text(revision)
    return root / "snapshots" / revision


@pytest.mark.parametrize("named", ["", "snapshots/abc"])
def test_a_cache_of_the_hub(tmp_path: Path, named: str) -> None:
    files = {f"{BREEDS[row % 3]}/{row}.png": png(image) for row, image in enumerate(PIXELS)}
    hub_cache(tmp_path / "set", {"cat/old.png": b""}, "old")
    hub_cache(tmp_path / "set", files)
    found = learned_from(tmp_path / "set" / named, tmp_path / "scratch")
    assert found == in_turn(PIXELS, list(BREEDS) * 8, None)
    chosen = files_of_folder(detect_format(tmp_path / "set" / named, tmp_path / "scratch").path)
    assert not chosen.left_out
    assert {path: file.read_bytes() for path, file in chosen.files.items()} == files
    (tmp_path / "set" / "refs" / "main").unlink()
    with pytest.raises(UserError, match=r"2 snapshots, of which refs/main names none; name one: .*/snapshots/abc, "):
        detect_format(tmp_path / "set", tmp_path)


def test_tables_in_a_cache_of_the_hub(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    expected = on_the_hub(tmp_path / "first")
    written = {
        str(file.relative_to(tmp_path / "first")): file.read_bytes() for file in (tmp_path / "first").rglob("*.*")
    }
    hub_cache(tmp_path / "set", written)
    assert learned_from(tmp_path / "set", tmp_path / "scratch") == expected


def test_a_link_out_of_the_data_is_a_fault_with_its_remedy(tmp_path: Path) -> None:
    images(tmp_path, "blobs/1", "data/snapshots/cat/2.png")
    (tmp_path / "data/snapshots/cat/1.png").symlink_to("../../../blobs/1")
    (tmp_path / "arrays").mkdir()
    listing = read_format(tmp_path / "data/snapshots/", tmp_path / "arrays", Folders("folders"))
    assert [fault.partition("; ")[2] for fault in listing.faults.values()] == [
        "`cp -rL DATA COPY` makes a copy with files in place of links"
    ]


def workbook(path: Path, **sheets: list[list[object]]) -> None:
    """Write a file of Excel."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)


def test_a_sheet_of_excel(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows: list[list[object]] = [["width", "healthy", "seen", "kind", None]]
    rows += [[n + 0.5, n % 2 == 0, date(2024, 1, 1 + n % 2), BREEDS[n % 3] if n else None, None] for n in range(24)]
    workbook(tmp_path / "data" / "a.xlsx", data=[*rows, []], empty=[])
    found = learned_from(tmp_path / "data", tmp_path / "scratch")
    assert found[(7.5, 0.0, 0.0, 1.0)] == ("collie", None)
    assert found[(0.5, 1.0, 1.0, 0.0)] == (None, "unlabelled")
    assert len(found) == 24


def test_labels_of_images_in_a_sheet_of_excel(tmp_path: Path) -> None:
    names = numbered("images/{}.png", 6)
    images(tmp_path, *names)
    workbook(tmp_path / "a.xlsx", a=[["file", "breed"], *([name, BREEDS[n % 3]] for n, name in enumerate(names))])
    found = detect_format(tmp_path, tmp_path)
    listing = read_format(tmp_path, tmp_path, found.format)
    assert isinstance(listing.examples, Files)
    assert listing.label is not None
    assert dict(zip(listing.examples.paths.to_pylist(), listing.label.to_pylist(), strict=True)) == {
        name: BREEDS[n % 3] for n, name in enumerate(names)
    }


@pytest.mark.parametrize(
    ("name", "sheets", "message"),
    [
        ("a.xls", {"a": [["x", "y"]]}, "a sheet of Excel 2003, which is not read; save it as .xlsx or CSV"),
        ("a.xlsx", {"a": [["x", "y"]], "b": [["z"]]}, "has the sheets 'a', 'b'; save the one to learn from as CSV"),
        ("a.xlsx", {"a": []}, "an empty sheet; add a row"),
        ("a.xlsx", {"a": [["x", "x"], [1, 2]]}, "has column 'x' twice; give each"),
        ("a.xlsx", {"a": [["x", "y"]]}, "a header and no rows; add some"),
    ],
)
def test_a_sheet_that_is_not_read(
    tmp_path: Path, name: str, sheets: dict[str, list[list[object]]], message: str
) -> None:
    workbook(tmp_path / name, **sheets)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(UserError, match=rf"{name}: {message}"):
            detect_format(path, tmp_path / "scratch")


def test_a_damaged_sheet_and_none_without_openpyxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match=r"a.xlsx: damaged or not of Excel .*; save it again, or as CSV"):
        detect_format(tmp_path, tmp_path)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"a.xlsx: a sheet of Excel; `pip install openpyxl` .* or save it as CSV"):
        detect_format(tmp_path, tmp_path)


def test_photographs_of_phones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEIC, whatever the name, is as good as its pixels; without pillow-heif it is a fault that says what to do."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    large = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name, image in (("cat/1.HEIC", large), ("cat/2.jpg", large[::-1]), ("dog/3.heic", large[:, ::-1])):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "data" / name, "HEIF", quality=-1, chroma=444, matrix_coefficients=0)
    found = learned_from(tmp_path / "data", tmp_path / "scratch")
    expected = {values(large): "cat", values(large[::-1]): "cat", values(large[:, ::-1]): "dog"}
    assert found == {row: (label, None) for row, label in expected.items()}
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    decode = decoder(str(tmp_path / "data"), ImageFormat(None, None, "none", 10**6))
    with pytest.raises(Fault, match=r"a HEIC image; `pip install pillow-heif` .* or convert it to JPEG"):
        decode("cat/1.HEIC")


def asked() -> Iterator[tuple[str, list[str], dict[str, list[str]], str]]:
    """Yield a name, images, text files and what is said of them."""
    pictures = numbered("images/{}.jpg", 6)
    yield "dogs_and_cats", ["train/cat.0.jpg", "train/dog.0.jpg", "test1/1.jpg"], {}, "--pattern '{label}.*.jpg'"
    tags = [f"{path},{tags}" for path, tags in zip(pictures, ["a b", "a", "b", "a b c", "b c", "c"], strict=True)]
    yield "multi_label", pictures, {"train.csv": ["filename,tags", *tags]}, "names several classes of an image"
    columns = [f"{path},{n},{n % 2}.5" for n, path in enumerate(pictures)]
    yield "two_columns", pictures, {"a.csv": ["file,weight,width", *columns]}, "which column is the label?"
    lines = [f"{n} {Path(path).stem}" for n, path in enumerate(pictures)]
    yield "numbers", pictures, {"labels.txt": lines}, "what lies beside them is not read: labels.txt"
    rows = [f"{path},cat" for path in pictures]
    yield "no_header", pictures, {"t.csv": rows}, "its first line is a row (images/0.jpg, cat)"
    yield "other_table", pictures, {"t.csv": ["a,b", "1,2"]}, "no column of t.csv names them"
    yield "segmentation", ["images/1.png", "masks/1.png"], {}, "not classes"


@pytest.mark.parametrize(("name", "pictures", "files", "said"), list(asked()))
def test_what_is_asked(tmp_path: Path, name: str, pictures: list[str], files: dict[str, list[str]], said: str) -> None:
    root = tmp_path / name
    images(root, *pictures)
    for file, lines in files.items():
        text(root, file, *lines)
    (tmp_path / "arrays").mkdir()
    with pytest.raises(UserError) as caught:
        read_format(root, tmp_path / "arrays", detect_format(root, tmp_path).format)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("values", "target", "number"),
    [
        (["NaN", "0", "1"], None, False),
        (["NA", "0.5", "1"], None, True),
        ([str(n) for n in range(26)], None, True),
        ([str(n) for n in range(26)], "label=class", False),
        (["0", "1", "1"], "label=number", True),
    ],
)
def test_a_target_is_a_class_or_a_number(tmp_path: Path, values: list[str], target: str | None, number: bool) -> None:
    text(tmp_path, "t.csv", "a,label", *(f"{n}.5,{value}" for n, value in enumerate(values)))
    found = detect_format(tmp_path / "t.csv", tmp_path, Columns(target))
    assert isinstance(found.format, Table)
    assert (found.format.target, found.format.number) == ("label", number)


def test_what_is_asked_can_be_said(tmp_path: Path) -> None:
    pictures = numbered("images/{}.jpg", 8)
    images(tmp_path, *pictures)
    rows = [f"{path},house {n // 2},{n % 3}" for n, path in enumerate(pictures)]
    text(tmp_path, "a.csv", "file,weight,width", *rows)
    found = detect_format(tmp_path, tmp_path, Columns("width", "weight")).format
    assert isinstance(found, Paths)
    assert (found.label, found.group) == ("width", "weight")
    with pytest.raises(UserError, match="--group=height: no such column; there are: 'file', 'weight', 'width'"):
        detect_format(tmp_path, tmp_path, Columns("width", "height"))


def test_a_column_that_repeats_may_be_a_group(tmp_path: Path) -> None:
    pictures = numbered("images/{}.jpg", 24)
    images(tmp_path, *pictures)
    rows = [f"{path},{'ab'[n // 3 % 2]},house {n // 3},{n % 5}" for n, path in enumerate(pictures)]
    text(tmp_path, "a.csv", "file,label,house,rooms", *rows)
    notes = detect_format(tmp_path, tmp_path).notes
    assert [note for note in notes if "--group 'house'" in note]
    assert not [note for note in notes if "rooms" in note]
    assert "groups: column 'house'" in detect_format(tmp_path, tmp_path, Columns(group="house")).notes


@pytest.mark.parametrize("head", ["path,label", "a,label"])
def test_minus_one_is_asked_about(tmp_path: Path, head: str) -> None:
    pictures = numbered("images/{}.jpg", 6)
    images(tmp_path, *pictures)
    labels = ("0", "1", "2", "-1", "-1", "-1")
    text(tmp_path, "t.csv", head, *(f"{path},{label}" for path, label in zip(pictures, labels, strict=True)))
    if head.startswith("a"):
        text(tmp_path, "t.csv", head, *(f"{n}.5,{label}" for n, label in enumerate(labels)))
    (tmp_path / "arrays").mkdir()

    def classes(columns: Columns) -> list[str | None]:
        found = detect_format(tmp_path / "t.csv", tmp_path, columns)
        listing = read_format(found.root, tmp_path / "arrays", found.format)
        assert listing.label is not None
        return listing.label.to_pylist()

    with pytest.raises(UserError, match="if it stands for a missing label, add --missing=-1"):
        classes(Columns())
    assert classes(Columns(missing="-1")) == ["0", "1", "2", None, None, None]
    assert classes(Columns("label=class")) == list(labels)
