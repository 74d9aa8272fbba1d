"""The other data sets of torchvision, downloaded and read from small copies of their official files."""

import bz2
import gzip
import io
import pickle
import socket
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from torchvision import datasets
from torchvision.datasets import mnist

from sprout.config.download import Torchvision
from sprout.data.sources import torchvision, torchvision_files
from sprout.data.sources.torchvision_splits import SETS, SPLITS
from sprout.runtime.errors import UserError
from test_source_torchvision import Quiet, md5, serving

GENERATOR = np.random.default_rng(0)


def images(*shape: int) -> np.ndarray:
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """The IDX format, compressed: the type of number, the number of axes, each axis's length, the data."""
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes())


def archive(path: Path, members: dict[str, bytes]) -> str:
    """Write a `.tar.gz` and return its MD5."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return md5(path.read_bytes())


@pytest.fixture
def mirror(tmp_path):
    (tmp_path / "mirror").mkdir()
    return tmp_path / "mirror"


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


def fetched(raw: Path, name: str, mirror: Path | None):
    settings = Torchvision("torchvision", name, mirror and str(mirror))
    torchvision.fetch(settings, raw, raw.with_name("partial"))
    return torchvision.read(settings, raw, raw)


def refusal(raw: Path, name: str, mirror: Path | None) -> str:
    with pytest.raises(UserError) as refused:
        fetched(raw, name, mirror)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", SETS)
def test_torchvision_accepts_the_arguments(tmp_path, name):
    """In an empty folder each class fails for missing files, not for its arguments."""
    for which, arguments in SETS[name].items():
        assert which in SPLITS
        with pytest.raises((RuntimeError, FileNotFoundError)):
            getattr(datasets, name)(tmp_path, **arguments)


CIFAR = {
    "CIFAR10": ("labels", "label_names", [f"data_batch_{number}" for number in range(1, 6)], "test_batch"),
    "CIFAR100": ("fine_labels", "fine_label_names", ["train"], "test"),
}


def make_cifar(monkeypatch, mirror: Path, name: str) -> np.ndarray:
    """10 images in each file, classes 0 to 9; returns all images in their order."""
    kind = getattr(datasets, name)
    labels, names, train, test = CIFAR[name]
    batches = {file: images(10, 3, 32, 32) for file in (*train, test)}
    members = {
        file: pickle.dumps({"data": batch.reshape(10, -1), labels: [*range(10)]}, protocol=2)
        for file, batch in batches.items()
    }
    members[kind.meta["filename"]] = pickle.dumps({names: [f"class {label}" for label in range(10)]}, protocol=2)
    sums = {file: md5(data) for file, data in members.items()}
    packed = archive(mirror / kind.filename, {f"{kind.base_folder}/{file}": data for file, data in members.items()})
    monkeypatch.setattr(kind, "tgz_md5", packed)
    monkeypatch.setattr(kind, "train_list", [[file, sums[file]] for file in train])
    monkeypatch.setattr(kind, "test_list", [[test, sums[test]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": sums[kind.meta["filename"]]})
    return np.concatenate([*batches.values()]).transpose(0, 2, 3, 1)


@pytest.mark.parametrize("name", CIFAR)
def test_cifar(raw, mirror, monkeypatch, name):
    expected = make_cifar(monkeypatch, mirror, name)
    found = fetched(raw, name, mirror)
    np.testing.assert_array_equal(found.examples, expected)
    train = len(expected) - 10
    assert found.split.to_pylist() == ["train"] * train + ["test"] * 10
    assert found.classes == [f"class {label}" for label in range(10)]
    assert found.label.to_pylist() == found.classes * (len(expected) // 10)
    assert (found.origin[train - 1].as_py(), found.origin[train].as_py()) == (f"train:{train - 1}", "test:0")


def test_only_the_published_cifar_is_unpickled(raw, mirror, monkeypatch):
    make_cifar(monkeypatch, mirror, "CIFAR10")
    torchvision.fetch(Torchvision("torchvision", "CIFAR10", str(mirror)), raw, raw.with_name("partial"))

    class Harm:
        def __reduce__(self):
            return Path.touch, (raw / "harm",)

    (raw / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(UserError, match=r"raw: CIFAR10 cannot be read \(Dataset not found or corrupted.*-f download"):
        torchvision.read(Torchvision("torchvision", "CIFAR10", None), raw, raw)
    assert not (raw / "harm").exists()


def test_svhn(raw, mirror, monkeypatch):
    made = {"train": images(12, 32, 32, 3), "test": images(5, 32, 32, 3)}
    listed = {}
    for part, stored in made.items():
        # Axes (row, column, channel, image); the digit 0 is class 10.
        digits = np.arange(1, len(stored) + 1).reshape(-1, 1) % 10
        path = mirror / f"{part}_32x32.mat"
        scipy.io.savemat(path, {"X": stored.transpose(1, 2, 3, 0), "y": np.where(digits, digits, 10)})
        listed[part] = ["http://nowhere.invalid/" + path.name, path.name, md5(path.read_bytes())]
    monkeypatch.setattr(datasets.SVHN, "split_list", listed)
    found = fetched(raw, "SVHN", mirror)
    np.testing.assert_array_equal(found.examples, np.concatenate([*made.values()]))
    assert found.label.to_pylist() == [*"123456789012", *"12345"]
    assert found.split.to_pylist() == ["train"] * 12 + ["test"] * 5
    assert found.classes == [*"0123456789"]


def test_stl10(raw, mirror, monkeypatch):
    made = {part: images(n, 96, 96, 3) for part, n in (("train", 4), ("unlabeled", 3), ("test", 2))}
    # Axes (image, channel, column, row); classes from 1.
    members = {f"{part}_X.bin": stored.transpose(0, 3, 2, 1).tobytes() for part, stored in made.items()}
    members |= {"train_y.bin": bytes([1, 2, 3, 1]), "test_y.bin": bytes([3, 2])}
    members["class_names.txt"] = b"airplane\nbird\ncar\n"
    sums = {
        part: [[file, md5(data)] for file, data in members.items() if file.startswith(part)]
        for part in ("train", "unlabeled", "test")
    }
    monkeypatch.setattr(datasets.STL10, "train_list", sums["train"] + sums["unlabeled"])
    monkeypatch.setattr(datasets.STL10, "test_list", sums["test"])
    packed = archive(mirror / "stl10_binary.tar.gz", {f"stl10_binary/{file}": data for file, data in members.items()})
    monkeypatch.setattr(datasets.STL10, "tgz_md5", packed)
    found = fetched(raw, "STL10", mirror)
    np.testing.assert_array_equal(found.examples, np.concatenate([*made.values()]))
    assert found.label.to_pylist() == ["airplane", "bird", "car", "airplane", None, None, None, "car", "bird"]
    assert found.split.to_pylist() == ["train"] * 4 + ["unlabelled"] * 3 + ["test"] * 2
    assert found.classes == ["airplane", "bird", "car"]
    # As torchvision itself reads it.
    np.testing.assert_array_equal(datasets.STL10(raw, "unlabeled").data.transpose(0, 2, 3, 1), made["unlabeled"])


def test_usps(raw, mirror, monkeypatch):
    listed = {}
    for part, file, n in (("train", "usps.bz2", 10), ("test", "usps.t.bz2", 3)):
        lines = [f"{row + 1} " + " ".join(f"{pixel}:{-1 + row / 5}" for pixel in range(1, 257)) for row in range(n)]
        (mirror / file).write_bytes(bz2.compress("\n".join(lines).encode()))
        listed[part] = ["http://nowhere.invalid/" + file, file, md5((mirror / file).read_bytes())]
    monkeypatch.setattr(datasets.USPS, "split_list", listed)
    found = fetched(raw, "USPS", mirror)
    assert found.examples.shape == (13, 16, 16)
    np.testing.assert_allclose(found.examples[:, 5, 5], [25.5 * row for row in [*range(10), *range(3)]], atol=1)
    assert found.label.to_pylist() == [*"0123456789", *"012"]


def test_emnist_is_balanced(raw, mirror, monkeypatch):
    made = {"train": images(47, 28, 28), "test": images(5, 28, 28)}
    with zipfile.ZipFile(mirror / "gzip.zip", "w") as packed:
        for part, stored in made.items():
            file = f"gzip/emnist-balanced-{part}"
            packed.writestr(f"{file}-images-idx3-ubyte.gz", idx(stored))
            packed.writestr(f"{file}-labels-idx1-ubyte.gz", idx(np.arange(len(stored), dtype=np.uint8)))
    monkeypatch.setattr(datasets.EMNIST, "md5", md5((mirror / "gzip.zip").read_bytes()))
    found = fetched(raw, "EMNIST", mirror)
    np.testing.assert_array_equal(found.examples, np.concatenate([*made.values()]))
    assert found.label.to_pylist() == found.classes + found.classes[:5]
    assert found.classes == mnist.EMNIST.classes_split_dict["balanced"]


def test_qmnist(raw, mirror, monkeypatch):
    made = {"train": images(10, 28, 28), "test": images(4, 28, 28)}
    listed = {}
    for part, stored in made.items():
        rows = np.arange(len(stored)).repeat(8).reshape(-1, 8).astype(">i4")  # the class, then seven other things
        files = {f"qmnist-{part}-images-idx3-ubyte.gz": idx(stored), f"qmnist-{part}-labels-idx2-int.gz": idx(rows, 12)}
        for file, data in files.items():
            (mirror / file).write_bytes(data)
        listed[part] = [(f"http://nowhere.invalid/{file}", md5(data)) for file, data in files.items()]
    monkeypatch.setattr(datasets.QMNIST, "resources", listed)
    found = fetched(raw, "QMNIST", mirror)
    np.testing.assert_array_equal(found.examples, np.concatenate([*made.values()]))
    assert [label[0] for label in found.label.to_pylist()] == [*"0123456789", *"0123"]
    assert found.classes[3] == "3 - three"


FER = {
    "fer2013.csv": ("emotion,pixels,Usage", "{label},{pixels},{usage}"),
    "icml_face_data.csv": ("emotion, Usage, pixels", "{label},{usage},{pixels}"),
    "train.csv": ("emotion,pixels", "{label},{pixels}"),
    "test.csv": ("pixels", "{pixels}"),
}
USAGES = ["Training", "Training", "PublicTest", "PrivateTest"]


@pytest.fixture
def fer(mirror, monkeypatch):
    """All of FER2013's files, and the images in them."""
    stored = images(4, 48, 48)
    for file, (head, form) in FER.items():
        rows = [
            form.format(label=row, pixels=" ".join(map(str, image.ravel())), usage=usage)
            for row, (image, usage) in enumerate(zip(stored, USAGES, strict=True))
        ]
        rows = {"train.csv": rows[:2], "test.csv": rows[2:]}.get(file, rows)
        (mirror / file).write_text("\n".join([head, *rows]) + "\n")
    listed = {key: (file, md5((mirror / file).read_bytes())) for key, (file, _) in datasets.FER2013._RESOURCES.items()}
    monkeypatch.setattr(datasets.FER2013, "_RESOURCES", listed)
    return stored


@pytest.mark.parametrize("given", [["fer2013.csv"], ["icml_face_data.csv"], ["fer2013.csv", "train.csv"]])
def test_fer2013(raw, mirror, fer, given):
    for file in set(FER) - set(given):
        (mirror / file).unlink()
    found = fetched(raw, "FER2013", mirror)
    np.testing.assert_array_equal(found.examples, fer)
    assert found.label.to_pylist() == found.classes == [*"0123"]
    assert found.split.to_pylist() == ["train", "train", "test", "test"]
    assert [path.name for path in raw.rglob("*.csv")] == given[:1]


def test_fer2013_without_the_labels_of_its_test_split(raw, mirror, fer):
    for file in ("fer2013.csv", "icml_face_data.csv"):
        (mirror / file).unlink()
    found = fetched(raw, "FER2013", mirror)
    np.testing.assert_array_equal(found.examples, fer)
    assert found.label.to_pylist() == ["0", "1", None, None]
    assert found.split.to_pylist() == ["train", "train", "unlabelled", "unlabelled"]


@pytest.mark.parametrize("left", [None, [], ["train.csv"], ["test.csv"]])
def test_fer2013_without_its_files(raw, mirror, fer, left):
    for file in set(FER) - set(left or []):
        (mirror / file).unlink()
    message = refusal(raw, "FER2013", None if left is None else mirror)
    assert f"download fer2013.csv (MD5 {datasets.FER2013._RESOURCES['fer'][1]}), or icml_face_data.csv (MD5 " in message
    assert message.endswith("set download.mirror to the folder with it")
    assert list(raw.iterdir()) == []


def test_fer2013_with_another_file(raw, mirror, fer):
    (mirror / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    assert f"{mirror}/fer2013.csv: expected MD5 " in refusal(raw, "FER2013", mirror)


@pytest.fixture
def dtd(tmp_path, monkeypatch):
    """A server with DTD's archive, made small: the reader of file names opens no image."""
    lists = {"train": ["knit/b.jpg", "dots/a.jpg"], "val": ["knit/a.jpg"], "test": ["knit/c.jpg", "dots/ü 2.jpg"]}
    members = {f"dtd/labels/{part}1.txt": "\n".join(files).encode() for part, files in lists.items()}
    members |= {f"dtd/images/{file}": b"" for files in lists.values() for file in files}
    (tmp_path / "served").mkdir()
    monkeypatch.setattr(datasets.DTD, "_MD5", archive(tmp_path / "served" / "dtd.tar.gz", members))
    monkeypatch.setenv("no_proxy", "*")

    class Here(Quiet):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, directory=tmp_path / "served", **more)

    with serving(Here) as address:
        monkeypatch.setattr(datasets.DTD, "_URL", f"{address}/dtd.tar.gz")
        yield address


def test_a_set_that_torchvision_downloads(raw, dtd):
    found = fetched(raw, "DTD", None)
    assert found.examples.root == raw
    assert [path.removeprefix("dtd/dtd/images/") for path in found.examples.paths.to_pylist()] == [
        *("dots/a.jpg", "knit/b.jpg"),  # in the order of their paths
        "knit/a.jpg",
        *("dots/ü 2.jpg", "knit/c.jpg"),
    ]
    assert all((raw / path).is_file() for path in found.examples.paths.to_pylist())
    assert found.origin.to_pylist() == found.examples.paths.to_pylist()
    assert found.label.to_pylist() == ["dots", "knit", "knit", "dots", "knit"]
    assert found.split.to_pylist() == ["train", "train", "val", "test", "test"]
    assert found.classes == ["dots", "knit"]


def test_torchvision_s_own_failures_are_one_line(raw, dtd, monkeypatch):
    monkeypatch.setattr(datasets.DTD, "_MD5", "0" * 32)
    assert refusal(raw, "DTD", None).startswith(
        "DTD: torchvision cannot download and unpack the files (File not found or "
    )
    monkeypatch.setattr(datasets.DTD, "_URL", f"{dtd}/other.tar.gz")
    with pytest.raises(UserError, match=r"^DTD: torchvision cannot .* \(HTTP Error 404: File not found\)") as refused:
        fetched(raw, "DTD", None)
    refused.value.__cause__.close()  # urllib's error is an open answer


def test_torchvision_s_own_download_times_out(raw, dtd, monkeypatch):
    monkeypatch.setattr(torchvision_files, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(datasets.DTD, "_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/dtd.tar.gz")
        assert "timed out" in refusal(raw, "DTD", None)
    assert socket.getdefaulttimeout() is None


def test_no_mirror_for_what_torchvision_downloads(raw, mirror):
    message = refusal(raw, "DTD", mirror)
    assert message.startswith(f"download.mirror={mirror}: ")
    assert message.endswith("set it to null")


def files(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_a_set_without_splits(raw):
    files(raw / "eurosat" / "2750", "River/River_1.jpg", "Forest/Forest_2.jpg", "Forest/Forest_1.jpg")
    found = torchvision.read(Torchvision("torchvision", "EuroSAT", None), raw, raw)
    assert found.examples.paths.to_pylist() == [
        f"eurosat/2750/{p}" for p in ("Forest/Forest_1.jpg", "Forest/Forest_2.jpg", "River/River_1.jpg")
    ]
    assert found.label.to_pylist() == ["Forest", "Forest", "River"]
    assert found.split is None


def test_the_first_of_several_class_names(raw):
    for part in ("train", "val"):
        files(raw / "imagenette2" / part, *(f"{key}/1.JPEG" for key in datasets.Imagenette._WNID_TO_CLASS))
    found = torchvision.read(Torchvision("torchvision", "Imagenette", None), raw, raw)
    assert found.classes[:2] == ["tench", "English springer"]
    assert found.label.to_pylist() == found.classes * 2
    assert found.split.to_pylist() == ["train"] * 10 + ["val"] * 10


def test_classes_without_names(raw):
    files(raw / "gtsrb" / "GTSRB" / "Training", "00000/1.ppm", "00001/1.ppm")
    files(raw / "gtsrb" / "GTSRB" / "Final_Test" / "Images", "00000.ppm")
    (raw / "gtsrb" / "GT-final_test.csv").write_text("Filename;Width;ClassId\n00000.ppm;30;1\n")
    found = torchvision.read(Torchvision("torchvision", "GTSRB", None), raw, raw)
    assert (found.classes, found.label.to_pylist()) == (["0", "1"], ["0", "1", "1"])
    assert found.split.to_pylist() == ["train", "train", "test"]


def test_a_class_that_keeps_its_images_elsewhere(raw, monkeypatch):
    monkeypatch.setitem(SETS, "FakeData", {"all": {}})
    monkeypatch.setattr(datasets, "FakeData", lambda root: object())
    with pytest.raises(UserError, match="torchvision's class FakeData has no list of images and labels"):
        torchvision.read(Torchvision("torchvision", "FakeData", None), raw, raw)
