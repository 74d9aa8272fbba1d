"""The format `folders`."""

import os
import unicodedata
from pathlib import Path

import pytest

from sprout.config.formats import Folders
from sprout.data.formats import read_format
from sprout.data.listing import Files, Listing
from sprout.runtime.errors import UserError


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def listed(root: Path) -> Listing:
    return read_format(root, root, Folders("folders"))


def rows(listing: Listing) -> list[tuple[str, str | None, str | None]]:
    """Return path, label and split of each example."""
    assert isinstance(listing.examples, Files)
    none = [None] * len(listing)
    labels = none if listing.label is None else listing.label.to_pylist()
    splits = none if listing.split is None else listing.split.to_pylist()
    return list(zip(listing.examples.paths.to_pylist(), labels, splits, strict=True))


def test_class_folders_of_any_depth(tmp_path: Path) -> None:
    listing = listed(make(tmp_path, "dog/2.png", "dog/10.png", "cat/a/b/1.png", "cat/1.png"))
    assert rows(listing) == [
        ("cat/1.png", "cat", None),
        ("cat/a/b/1.png", "cat", None),
        ("dog/10.png", "dog", None),
        ("dog/2.png", "dog", None),
    ]
    assert listing.origin.to_pylist() == [path for path, *_ in rows(listing)]
    assert listing.split is None
    assert listing.classes is None
    assert not listing.faults


def test_an_empty_folder_of_unlabelled_images_is_said(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "unlabelled").mkdir()
    listing = listed(tmp_path)
    assert listing.notes == ["the folder of unlabelled examples is empty"]
    assert len(listing.origin) == 2


def test_unlabelled_beside_classes(tmp_path: Path) -> None:
    listing = listed(make(tmp_path, "cat/1.png", "dog/1.png", "unlabeled/x/1.png"))
    assert rows(listing) == [
        ("cat/1.png", "cat", None),
        ("dog/1.png", "dog", None),
        ("unlabeled/x/1.png", None, "unlabelled"),
    ]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_split_folders(tmp_path: Path, val: str) -> None:
    listing = listed(make(tmp_path, "train/cat/1.png", f"{val}/cat/1.png", "test/dog/1.png", "unlabelled/1.png"))
    assert {row[1:] for row in rows(listing)} == {
        ("cat", "train"),
        ("cat", "val"),
        ("dog", "test"),
        (None, "unlabelled"),
    }


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    listing = listed(make(tmp_path, "train/1.png", "plane/1.png"))
    assert [label for _, label, _ in rows(listing)] == ["plane", "train"]


@pytest.mark.parametrize(
    "paths", [["1.png", "2.png"], ["all/1.png", "all/2.png"], ["unlabelled/1.png", "unlabelled/a/2.png"]]
)
def test_a_set_without_labels(tmp_path: Path, paths: list[str]) -> None:
    listing = listed(make(tmp_path, *paths))
    assert rows(listing) == [(path, None, None) for path in paths]
    assert listing.label is None
    assert not listing.faults


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train_images", "test_images"),
        ("trainset", "testset2"),
        ("flowers_TRAIN", "flowers_TEST"),
        ("data/train/images", "data/evaluation/images"),
        ("photos/train/part_1", "photos/test/part_1"),
    ],
)
def test_names_of_splits(tmp_path: Path, train: str, test: str) -> None:
    listing = listed(make(tmp_path, f"{train}/cat/1.png", f"{train}/dog/1.png", f"{test}/cat/1.png"))
    assert sorted(row[1:] for row in rows(listing)) == [("cat", "test"), ("cat", "train"), ("dog", "train")]


@pytest.mark.parametrize(
    "names", [("test tube", "train"), ("train cars", "train ships"), ("class_1", "class_2"), ("1", "2")]
)
def test_names_of_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    listing = listed(make(tmp_path, *(f"{name}/1.png" for name in names)))
    assert [label for _, label, _ in rows(listing)] == list(names)
    assert listing.split is None


@pytest.mark.parametrize(
    "parts",
    [("part_1", "part_2"), ("HAM_images_part_1", "HAM_images_part_2"), ("images_001", "images_002"), ("a", "b")],
)
def test_parts_are_joined(tmp_path: Path, parts: tuple[str, str]) -> None:
    make(tmp_path, *(f"{part}/{name}/1.png" for part in parts for name in ("cat", "dog")))
    assert [label for _, label, _ in rows(listed(tmp_path))] == ["cat", "dog"] * 2


def test_splits_in_classes(tmp_path: Path) -> None:
    make(tmp_path, *(f"{name}/{split}/1.png" for name in ("cat", "dog") for split in ("train", "test")))
    assert {row[1:] for row in rows(listed(tmp_path))} == {
        (label, split) for label in ("cat", "dog") for split in ("train", "test")
    }


def test_a_test_split_without_classes_is_the_pool(tmp_path: Path) -> None:
    listing = listed(make(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/1.png", "test/2.png"))
    assert [row[1:] for row in rows(listing)] == [(None, "unlabelled")] * 2 + [("cat", "train"), ("dog", "train")]
    assert not listing.faults


def test_a_folder_beside_documents_is_a_wrapper(tmp_path: Path) -> None:
    listing = listed(make(tmp_path, "images/rose/1.png", "images/tulip/1.png", "README.md", "metadata.json"))
    assert [label for _, label, _ in rows(listing)] == ["rose", "tulip"]


def test_hidden_files_are_left_out_and_a_wrapping_folder_is_opened(tmp_path: Path) -> None:
    paths = ["set/v1/cat/1.png", "set/v1/dog/1.png"]
    hidden = [".DS_Store", "__MACOSX/set/._1.png", "set/Thumbs.db", "set/v1/cat/desktop.ini", "set/v1/.git/config"]
    listing = listed(make(tmp_path, *paths, *hidden))
    assert rows(listing) == [(paths[0], "cat", None), (paths[1], "dog", None)]


def test_awkward_names_survive(tmp_path: Path) -> None:
    names = ["cat/a b.png", "cat/a\nb.png", "cat/A B.png", "cat/\u00e9.png", "cat/e\u0301.png", "dog/\U0001f436.png"]
    listing = listed(make(tmp_path, *names))
    found = [path for path, *_ in rows(listing)]
    assert found == sorted(names, key=os.fsencode)
    assert all((tmp_path / path).is_file() for path in found)


def test_classes_are_compared_in_one_normal_form(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "\u00e9") for form in ("NFC", "NFD"))
    listing = listed(make(tmp_path, f"train/{composed}/1.png", f"test/{apart}/1.png"))
    assert rows(listing) == [
        (f"test/{apart}/1.png", composed, "test"),
        (f"train/{composed}/1.png", composed, "train"),
    ]


def test_a_link_inside_is_read(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "dog/2.png").symlink_to("1.png")
    assert rows(listed(tmp_path))[-1] == ("dog/2.png", "dog", None)


@pytest.mark.parametrize("name", ["README.txt", "LICENSE", "labels.csv", "about.MD"])
def test_documents_beside_classes_are_ignored(tmp_path: Path, name: str) -> None:
    make(tmp_path, "cat/1.png", "dog/1.png", name, "cat/notes.txt")
    listing = listed(tmp_path)
    assert [path for path, *_ in rows(listing)] == ["cat/1.png", "dog/1.png"]
    assert not listing.faults


@pytest.mark.parametrize("place", ["", "train/"])
def test_documents_beside_splits_are_ignored(tmp_path: Path, place: str) -> None:
    listing = listed(make(tmp_path, "train/cat/1.png", "test/cat/1.png", f"{place}README.txt"))
    assert [path for path, *_ in rows(listing)] == ["test/cat/1.png", "train/cat/1.png"]
    assert not listing.faults


def linked(name: str, target: str) -> str:
    return f"{name} -> {target}"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("loose.png", "in no class folder"),
        (linked("dog/l.png", "../../outside.png"), "a link that leads out of the data folder"),
        (linked("dog/l.png", "/etc/hostname"), "a link that leads out of the data folder"),
        (linked("dog/l.png", "missing.png"), "a broken link (to 'missing.png')"),
        (linked("dog/l.png", "l.png"), "a broken link"),
        (linked("dog/l", "../cat"), "a link to a folder, which is not followed"),
        (linked("dog/l", ".."), "a link to a folder, which is not followed"),
        (linked("bird", "cat"), "a link to a folder, which is not followed"),
        (linked("bird", ".."), "a link that leads out of the data folder"),
        ("dog/pipe", "not a regular file"),
    ],
)
def test_faults(tmp_path: Path, bad: str, reason: str) -> None:
    make(tmp_path, "outside.png", "in/cat/1.png", "in/dog/1.png")
    name, _, target = bad.partition(" -> ")
    if target:
        (tmp_path / "in" / name).symlink_to(target)
    elif name == "dog/pipe":
        os.mkfifo(tmp_path / "in" / name)
    else:
        make(tmp_path / "in", name)
    listing = listed(tmp_path / "in")
    [(row, found)] = listing.faults.items()
    assert found.startswith(reason)
    assert listing.origin[row].as_py() == name
    assert rows(listing)[row][0] in ("", "loose.png")
    assert len(listing) == 3


@pytest.mark.parametrize("name", [b"cat/\xff.png", b"\xff/1.png", b"cat/\xff/1.png"])
def test_a_name_that_is_not_utf8(tmp_path: Path, name: bytes) -> None:
    make(tmp_path, "cat/1.png", "dog/1.png", os.fsdecode(name))
    listing = listed(tmp_path)
    [(row, reason)] = listing.faults.items()
    assert reason == "the name is not UTF-8; rename it"
    assert "\\xff" in listing.origin[row].as_py()


@pytest.mark.parametrize(
    ("files", "folders", "message"),
    [
        ([], [], "no files here"),
        ([".hidden", "Thumbs.db"], [], "no files here"),
        (["cat/1.png"], ["dog"], "no files in the class folder 'dog' ('dog' 0, 'cat' 1)"),
        (["cat/1.png"], ["dog/deep"], "no files in the class folder 'dog'"),
        (["train/cat/1.png"], ["train/dog", "test/dog"], "no files in the class folder 'dog'"),
        (["train/cat/1.png", "test/cat/1.png", "docs/a.png"], [], "'test', 'train' lie beside 'docs'"),
        (["train/1.png", "test/1.png"], [], "images lie in 'test', 'train', and no folder in there names a class"),
        (["train/1.png", "test1/1.png", "README.md"], [], "To learn without labels, put all images into one folder"),
        (
            ["part_1/1.png", "part_2/1.png"],
            [],
            "images lie in 'part_1', 'part_2', and no folder in there names",
        ),
        (["images/1.png", "masks/1.png"], [], "'images', 'masks' are images and what belongs to each of them"),
        (["train/images/1.png", "train/labels/1.txt", "val/images/1.png", "val/labels/1.txt"], [], "not classes"),
    ],
)
def test_refused(tmp_path: Path, files: list[str], folders: list[str], message: str) -> None:
    make(tmp_path, *files)
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        listed(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone: this folder cannot be read \(No such file"):
        listed(tmp_path / "gone")


def test_a_class_without_test_examples_is_accepted(tmp_path: Path) -> None:
    make(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/cat/1.png")
    (tmp_path / "test/dog").mkdir()
    assert len(listed(tmp_path)) == 3


def test_an_only_folder_is_said_to_be_no_class(tmp_path: Path) -> None:
    (tmp_path / "set" / "ant").mkdir(parents=True)
    (tmp_path / "set" / "ant" / "a.png").touch()
    found = read_format(tmp_path / "set", tmp_path, Folders(kind="folders"))
    assert found.label is None
    assert found.notes == ["the only folder, 'ant', is no class, as a classifier needs two; the images have no label"]
