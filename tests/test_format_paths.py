"""The format `paths`."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from sprout.config.formats import FORMATS
from sprout.config.validate import choice
from sprout.data.formats import read_format
from sprout.data.listing import Files, Listing
from sprout.runtime.errors import UserError

OPTIONS: dict[str, Any] = {"file": "labels.csv", "path": "path", "label": "label"}
OPTIONS |= {
    "split": None,
    "folder_splits": False,
    "group": None,
    "unlisted": "ignored",
    "classes": None,
    "missing": None,
}


def listed(root: Path, **options: Any) -> Listing:
    return read_format(
        root, root / "scratch", choice("format", {"kind": "paths", **OPTIONS | options}, "kind", FORMATS)
    )


def paths(listing: Listing) -> list[str]:
    assert isinstance(listing.examples, Files)
    return listing.examples.paths.to_pylist()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "i").mkdir(parents=True)
    for name in "abcd":
        (folder / f"i/{name}.png").write_bytes(b"x")
    (tmp_path / "outside.png").write_bytes(b"x")
    return folder


def write(root: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return root


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv(root: Path, separator: str, start: str, end: str) -> None:
    lines = [
        "path,label,split,group",
        "i/a.png, cat ,train, p1 ",
        "i/b.png,none,Valid, ",
        "",
        "i/c.png,,UNLABELED,p1",
        "i/d.png,1e3,,",
    ]
    text = start + "".join(line.replace(",", separator) + end for line in lines)
    listing = listed(write(root, text), split="split", group="group")
    assert paths(listing) == [f"i/{name}.png" for name in "abcd"]
    assert listing.label is not None
    assert listing.label.to_pylist() == ["cat", "none", None, "1e3"]
    assert listing.split is not None
    assert listing.split.to_pylist() == ["train", "val", "unlabelled", None]
    assert listing.group is not None
    assert listing.group.to_pylist() == ["p1", None, "p1", None]
    assert listing.origin.to_pylist() == [f"labels.csv row {row}" for row in (1, 2, 3, 4)]
    assert not listing.faults


def test_parquet_whatever_its_name(root: Path) -> None:
    table = pa.table({"path": ["i/a.png", "i/b.png"], "label": [3.0, 10.0], "group": pa.array([7, None], pa.int64())})
    pq.write_table(table, root / "table.bin")
    listing = listed(root, file="table.bin", group="group")
    assert listing.label is not None
    assert listing.label.to_pylist() == ["3", "10"]
    assert listing.group is not None
    assert listing.group.to_pylist() == ["7", None]
    assert not listing.faults


def test_paths_are_relative_to_the_table(root: Path) -> None:
    (root / "meta").mkdir()
    (root / "meta/e.png").write_bytes(b"x")
    write(root, "path,label\n../i/a.png,cat\n./e.png,dog\n", "meta/labels.csv")
    listing = listed(root, file="meta/labels.csv")
    assert paths(listing) == ["i/a.png", "meta/e.png"]
    assert not listing.faults


def test_without_labels(root: Path) -> None:
    listing = listed(write(root, "path\ni/a.png\ni/b.png\n"), label=None)
    assert (listing.label, listing.split, listing.group) == (None, None, None)


def test_labels_by_index(root: Path) -> None:
    listing = listed(write(root, "path,label\ni/a.png,1\ni/b.png,0\n"), classes=("cat", "dog"))
    assert listing.label is not None
    assert listing.label.to_pylist() == ["dog", "cat"]
    assert listing.classes == ["cat", "dog"]


def test_awkward_names_survive(root: Path) -> None:
    names = ["a b.png", "a\nb.png", 'a"b.png', "a,b.png", " a.png", "\u00e9.png", "e\u0301.png", "A B.png"]
    for name in names:
        (root / name).write_bytes(b"x")
    pc.write_csv(pa.table({"path": names, "label": ["cat"] * len(names)}), root / "labels.csv")
    listing = listed(root)
    assert paths(listing) == names
    assert not listing.faults


def test_a_path_in_another_normal_form_is_spelled_as_the_file_is(root: Path) -> None:
    (root / "e\u0301.png").write_bytes(b"x")
    assert paths(listed(write(root, "path,label\n\u00e9.png,cat\n"))) == ["e\u0301.png"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("i/missing.png,cat,train", "no such file"),
        ("i,cat,train", "a folder"),
        (",cat,train", "no path"),
        ("/etc/hostname,cat,train", "an absolute path; paths are relative to the table's folder"),
        ("../outside.png,cat,train", "a path that leads out of the data folder"),
        ("..\\outside.png,cat,train", "a path that leads out of the data folder"),
        ("i\\missing.png,cat,train", "no such file"),
        ("i/../../outside.png,cat,train", "a path that leads out of the data folder"),
        ("out/outside.png,cat,train", "a path that leads out of the data folder through a link"),
        ("leaves.png,cat,train", "a link that leads out of the data folder"),
        ("dangling.png,cat,train", "a broken link"),
        ("i/b.png,,val", "no label in column label"),
        ("i/b.png,  ,test", "no label in column label"),
        ("i/b.png,bird,train", "label 'bird' is none of the classes cat, dog"),
        ("i/b.png,Cat,train", "label 'Cat' is none of the classes cat, dog"),
        ("i/b.png,2,train", "label '2' is none of the classes cat, dog"),
        ("i/b.png,cat,holdout", "split 'holdout' is none of train, training, val"),
        ("i/a.png,cat,train", "same file as row 1"),
        ("./i//a.png,cat,train", "same file as row 1"),
    ],
)
def test_a_fault(root: Path, row: str, reason: str) -> None:
    (root / "out").symlink_to("..")
    (root / "leaves.png").symlink_to("../outside.png")
    (root / "dangling.png").symlink_to("nothing")
    listing = listed(
        write(root, f"path,label,split\ni/a.png,cat,train\n{row}\n"), split="split", classes=("cat", "dog")
    )
    [(faulty, found)] = listing.faults.items()
    assert faulty == 1
    assert found.startswith(reason)
    path = row.split(",")[0]
    assert listing.origin.to_pylist() == ["labels.csv row 1", f"labels.csv row 2{f': {path}' if path else ''}"]


def test_conflicting_rows_are_all_faults(root: Path) -> None:
    listing = listed(write(root, "path,label\ni/a.png,cat\ni/b.png,cat\ni/a.png,dog\n"))
    assert listing.faults == dict.fromkeys((0, 2), "conflicting labels for the same file: row 1 'cat', row 3 'dog'")


def test_all_faults_are_found_at_once(root: Path) -> None:
    listing = listed(write(root, "path,label,split\nx.png,cat,nowhere\ny.png,,test\n"), split="split")
    assert listing.faults[0].startswith("no such file; split 'nowhere'")
    assert listing.faults[1] == "no such file; no label in column label"


@pytest.mark.parametrize("missing", ["", " ", "NaN", "nan", "NA", "N/A", "<NA>", "null", "NULL"])
@pytest.mark.parametrize("split", ["", "train"])
def test_rows_without_a_label_are_unlabelled(root: Path, missing: str, split: str) -> None:
    text = f"path,label,split\ni/a.png,cat,train\ni/b.png,{missing},{split}\ni/c.png,na,\n"
    listing = listed(write(root, text), split="split")
    assert listing.label is not None
    assert listing.label.to_pylist() == ["cat", None, "na"]
    assert listing.split is not None
    assert listing.split.to_pylist() == ["train", "unlabelled", None]
    assert not listing.faults


@pytest.mark.parametrize("name", ["a", "a.png", "i/a", "i\\a.png"])
def test_an_image_is_found_by_its_name_or_stem(root: Path, name: str) -> None:
    (root / "deep").mkdir()
    (root / "labels").mkdir()
    (root / "i").rename(root / "deep/i")
    (root / "labels/a.xml").write_bytes(b"x")
    listing = listed(write(root, f"path,label\n{name},cat\n"))
    assert paths(listing) == ["deep/i/a.png"]
    assert not listing.faults


def test_a_name_of_several_images_is_a_fault(root: Path) -> None:
    (root / "j").mkdir()
    (root / "j/a.jpg").write_bytes(b"x")
    listing = listed(write(root, "path,label\na,cat\ni/a,cat\na.jpg,dog\n"))
    assert paths(listing) == ["", "i/a.png", "j/a.jpg"]
    assert listing.faults == {0: "several files have this name: i/a.png, j/a.jpg"}


def test_a_table_in_each_split_folder(root: Path) -> None:
    for split, name in (("train", "1"), ("valid", "2"), ("test", "3")):
        (root / split).mkdir()
        (root / split / f"{name}.png").write_bytes(b"x")
        write(root / split, f"path,label\n{name}.png,c{name}\n")
    listing = listed(root, file="*/labels.csv", folder_splits=True)
    assert listing.origin.to_pylist() == [f"{split}/labels.csv row 1" for split in ("test", "train", "valid")]
    assert paths(listing) == ["test/3.png", "train/1.png", "valid/2.png"]
    assert listing.label is not None
    assert listing.label.to_pylist() == ["c3", "c1", "c2"]
    assert listing.split is not None
    assert listing.split.to_pylist() == ["test", "train", "val"]


def test_images_that_no_row_names_can_be_the_pool(root: Path) -> None:
    (root / "i/README").write_bytes(b"x")
    listing = listed(write(root, "path,label\ni/b.png,cat\n"), unlisted="unlabelled")
    assert paths(listing) == [f"i/{name}.png" for name in "bacd"]
    assert listing.label is not None
    assert listing.label.to_pylist() == ["cat", None, None, None]
    assert listing.split is not None
    assert listing.split.to_pylist() == [None] + ["unlabelled"] * 3


def test_a_column_for_each_class(root: Path) -> None:
    rows = ["i/a.png,1,0", "i/b.png,0.0,1.0", "i/c.png,0,0", "i/d.png,1,1", "i/a.png,2,0"]
    listing = listed(write(root, "path,cat,dog\n" + "\n".join(rows)), label=("cat", "dog"))
    assert listing.label is not None
    assert listing.label.to_pylist()[:3] == ["cat", "dog", None]
    assert listing.split is not None
    assert listing.split.to_pylist()[2] == "unlabelled"
    assert listing.faults[3] == "several classes: cat, dog; an image of one class is needed"
    assert "column 'cat' has '2'; 0 or 1 is needed" in listing.faults[4]


def test_json_lines(root: Path) -> None:
    write(root, '{"file_name": "i/a.png", "label": "cat"}\n{"file_name": "i/b.png", "label": "3"}\n', "m.jsonl")
    listing = listed(root, file="m.jsonl", path="file_name")
    assert listing.label is not None
    assert listing.label.to_pylist() == ["cat", "3"]
    with pytest.raises(UserError, match=r"bad\.jsonl: not a JSON object in each line"):
        listed(write(root, "path,label\n", "bad.jsonl"), file="bad.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "labels.csv: an empty file"),
        ("\n\n", "labels.csv: an empty file"),
        ("path,label\n", "labels.csv: a header without rows"),
        ("path,label", "labels.csv: a header without rows"),
        ("\npath,label\ni/a.png,cat\n", "labels.csv: the first line does not name the columns"),
        ('"path,label\ni/a.png,cat\n', "labels.csv: the first line does not name the columns"),
        (
            "file,class\ni/a.png,cat\n",
            "labels.csv: no column 'path', 'label' (download.format); there are: 'file', 'class'",
        ),
        ("path,label,path\n", "labels.csv: the first line has 'path' twice"),
        ("path,label\ni/a.png,cat\ni/b.png\n", "the header has 2 fields, but row 2 has 1"),
        ("path,label\ni/a.png,cat\ni/b.png,c,d\ni\n", "the header has 2 fields, but row 2 has 3, row 3 has 1"),
        ("path,label\n" + "i\n" * 9, "row 5 has 1 and 4 more rows differ"),
        (b"path,label\ni/a.png,cat\ni/b.png,\xe9t\xe9\n", "labels.csv: line 3 is not UTF-8"),
        (b"path,label\xe9\ni/a.png,cat\n", "labels.csv: line 1 is not UTF-8"),
        (b"path,label\ni/a.png,cat\n\xe9\n", "labels.csv: line 3 is not UTF-8"),
        ("path,label\ni/a.png,cat\n".encode("utf-16"), "labels.csv: not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "labels.csv: not UTF-8 text"),
        ('path,label\ni/a.png,"cat\ni/b.png,dog\n', "labels.csv: a text begins with a quote"),
        ('path,label\ni/a.png,"' + "cat\n" * 2_300_000 + '"\n', "labels.csv: a row is longer than 4 MiB"),
    ],
)
def test_refused(root: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        listed(write(root, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\n", "table.parquet: not a Parquet file"),
        (b"PAR1", "table.parquet: damaged"),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "table.parquet: damaged"),
    ],
)
def test_an_invalid_parquet_file(root: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        listed(write(root, content, "table.parquet"), file="table.parquet")


def test_a_damaged_parquet_file(root: Path) -> None:
    pq.write_table(pa.table({"path": [f"{i}.png" for i in range(5000)], "label": ["c"] * 5000}), root / "t.parquet")
    whole = bytearray((root / "t.parquet").read_bytes())
    whole[10:2000] = b"\xff" * 1990
    with pytest.raises(UserError, match=r"t\.parquet: damaged"):
        listed(write(root, bytes(whole), "t.parquet"), file="t.parquet")


def test_a_column_of_lists(root: Path) -> None:
    pq.write_table(pa.table({"path": ["i/a.png"], "label": [["cat"]]}), root / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet: column 'label': list<.*> cannot be read"):
        listed(root, file="t.parquet")


def test_a_table_outside_of_the_folder(root: Path) -> None:
    with pytest.raises(UserError, match=r"^\.\./outside\.png: leads out of .*; put the file itself there"):
        listed(write(root, "path,label\n"), file="../outside.png")


def test_paths_as_windows_writes_them(root: Path) -> None:
    assert paths(listed(write(root, "path,label\ni\\a.png,cat\n.\\i\\b.png,dog\n"))) == ["i/a.png", "i/b.png"]


@pytest.mark.parametrize("file", ["lables.csv", "i"])
def test_a_missing_table(root: Path, file: str) -> None:
    with pytest.raises(UserError, match=r"no such file in .*; there are: labels\.csv"):
        listed(write(root, "path,label\n"), file=file)


def test_a_quote_within_text_is_a_character(root: Path) -> None:
    listing = listed(write(root, 'path,label\ni/a.png,5" disk\ni/b.png,cat\n'))
    assert listing.label is not None
    assert listing.label.to_pylist() == ['5" disk', "cat"]
