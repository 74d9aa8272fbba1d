"""Parquet files with images in them are read in place: the same as if each image were a file, and each byte once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from parquet_shards import FORMAT, GROUP_ROWS, SPLITS, shard, write_shards
from sprout.data import parquet_rows
from sprout.data.contents import contents
from sprout.data.formats import paths, read_files
from sprout.data.formats.image_rows import joined, listing_of
from sprout.data.formats.in_place import read_in_place, stored_in
from sprout.data.formats.joined_table import open_tables
from sprout.data.listing import Files, Listing, Members, texts
from sprout.data.prepare import decode_all as decoding
from sprout.data.prepare.decode_all import starts_of
from sprout.data.stored_file import Stored
from sprout.runtime.errors import UserError
from test_prepare import bytes_of
from test_prepare import run as prepare_with

SETTINGS: dict[str, Any] = {"test": None, "val": 0.2, "labels": None, "max_faulty": 0.1}
NO_IMAGE = "no image in column 'image'"
FAULTS = {3: "no label in column label", 72: NO_IMAGE, 115: NO_IMAGE}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("tables") / "pets")


def stored(folder: Path) -> list[Stored]:
    return [stored_in(folder, path.name) for path in sorted(folder.iterdir())]


def written_out(folder: Path, scratch: Path) -> Listing:
    """The images as files of their own, as those of compressed archives are written."""
    rows = joined(paths.read_images(open_tables(folder, FORMAT.file).tables, FORMAT, scratch))
    return listing_of(rows, FORMAT, Files(scratch, rows.files), texts([]))


@pytest.mark.parametrize("kind", ["struct", "binary", "large_binary"])
@pytest.mark.parametrize("few", [True, False], ids=["here", "processes"])
def test_outputs_are_those_of_image_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, few: bool
) -> None:
    folder = write_shards(tmp_path / "pets", kind)
    monkeypatch.setattr(decoding, "FEW", 500 if few else -1)
    monkeypatch.setattr(decoding, "part_length", lambda *_, here: 3 * GROUP_ROWS // 2)
    listings = {
        "in place": read_files(folder, tmp_path / "scratch", FORMAT),
        "files": written_out(folder, tmp_path / "images"),
    }
    assert listings["in place"].origin.equals(listings["files"].origin)
    assert listings["in place"].faults == listings["files"].faults == FAULTS
    for name, listing in listings.items():
        prepare_with(tmp_path / name, listing, **SETTINGS)
    prepared = bytes_of(tmp_path / "in place/prepared")
    assert prepared == bytes_of(tmp_path / "files/prepared")
    assert {"train/labels.parquet", "test/labels.parquet", "quarantine.csv"} <= set(prepared)
    assert [*(tmp_path / "scratch").rglob("*")] == [tmp_path / "scratch/arrays"], "no file for an image"


def test_images_are_read_once_and_only_to_decode_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, ranges = Stored.read, list[tuple[str, int, int]]()

    def noted(stored: Stored, start: int, stop: int) -> bytes:
        ranges.append((stored.name, start, stop))
        return read(stored, start, stop)

    monkeypatch.setattr(Stored, "read", noted)
    monkeypatch.setattr(decoding, "part_length", lambda *_, here: 3 * GROUP_ROWS // 2)
    monkeypatch.setattr(parquet_rows, "LEAST_BLOCK", 1)
    tables = stored(folder)[::2]  # no image is missing in these
    groups = {each: image_ranges(folder / each.name) for each in tables}
    listing = read_in_place(tables, FORMAT)
    images = [(table, group) for table in tables for group in groups[table]]
    assert not [read for read in ranges for table, group in images if overlap(read, table, group)]
    ranges.clear()
    prepare_with(tmp_path, listing, **SETTINGS | {"max_faulty": 0.2})
    for table in tables:
        for number, group in enumerate(groups[table]):
            inside = [overlap(each, table, group) for each in ranges]
            first = (table, number) == (tables[0], 0)  # decides the size of all
            assert group[1] - group[0] <= sum(inside) <= (group[1] - group[0]) * (2 if first else 1)


def image_ranges(path: Path) -> list[tuple[int, int]]:
    """Where the images of each row group lie in a file."""
    found, footer = [], pq.read_metadata(path)
    for number in range(footer.num_row_groups):
        chunk = footer.row_group(number).column(0)
        assert chunk.path_in_schema == "image.bytes"
        start = chunk.data_page_offset if chunk.dictionary_page_offset is None else chunk.dictionary_page_offset
        found.append((start, start + chunk.total_compressed_size))
    return found


def overlap(read: tuple[str, int, int], table: Stored, group: tuple[int, int]) -> int:
    """How many bytes of a row group's images a read has."""
    return max(0, min(read[2], group[1]) - max(read[1], group[0])) if read[0] == table.name else 0


def test_rows_that_are_asked_for_alone(folder: Path) -> None:
    listing = read_in_place(stored(folder), FORMAT)
    assert isinstance(listing.examples, Members)
    rows = [0, 29, 30, 31, 70, 119, 179]
    names = [listing.examples.some(slice(row, row + 1))[0] for row in rows]
    tables = pa.concat_tables([pq.read_table(path, columns=["image"]) for path in sorted(folder.iterdir())])
    expected = [tables["image"][row]["bytes"].as_py() for row in rows]
    assert list(contents(str(folder), names)) == expected
    assert list(contents(str(folder), names[3:4])) == expected[3:4]
    assert min(listing.examples.sizes(slice(None))) == 0 < 100 < max(listing.examples.sizes(slice(None)))


def test_parts_begin_where_row_groups_do(folder: Path) -> None:
    examples = read_in_place(stored(folder), FORMAT).examples
    assert isinstance(examples, Members)
    assert examples.borders is not None
    assert examples.borders.tolist() == [0, 20, 30, 50, 70, 90, 110, 120, 140, 160, 180]
    assert starts_of(examples, 45).tolist() == [0, 30, 70, 110, 140, 180]
    assert starts_of(examples, 5).tolist() == examples.borders.tolist(), "a group of more rows is a part"
    assert starts_of(examples, 1000).tolist() == [0, 180]
    assert starts_of(np.zeros((5, 2, 2)), 2).tolist() == [0, 2, 4, 5]


def test_what_is_not_accepted_is_said_in_a_line(folder: Path, tmp_path: Path) -> None:
    def refused(table: pa.Table | bytes, says: str, **changes: Any) -> None:
        path = tmp_path / "b.parquet"
        path.write_bytes(table) if isinstance(table, bytes) else pq.write_table(table, path)
        with pytest.raises(UserError, match=says):
            read_in_place(stored(tmp_path), replace(FORMAT, **changes))

    rows, whole = shard(6, 9), (folder / "test-00000-of-00001.parquet").read_bytes()
    pq.write_table(rows, tmp_path / "a.parquet")
    refused(b"path,label\n", r"^b\.parquet: not a Parquet file, or not all of one; write it again$")
    refused(whole[:-3], r"^b\.parquet: not a Parquet file, or not all of one")
    refused(b"PAR1" + whole[-3000:], r"^b\.parquet: damaged \(.*\); write it again$")
    refused(b"PAR1" + b"\0" * 100 + b"PAR1", r"^b\.parquet: damaged \(.*\); write it again$")
    refused(rows.drop_columns("label"), r"^b\.parquet: no column 'label' \(download\.format\); there are: 'image'")
    refused(rows, r"^a\.parquet: column 'caption' has no images .*; those with some: 'image'$", path="caption")
    numbers = rows.set_column(1, "label", pa.array(range(6)))
    refused(
        numbers, r"^b\.parquet: column 'label' has whole numbers, and text in a\.parquet; write all tables with one"
    )
    refused(rows.rename_columns(["image", "label", "label", "x"]), r"^b\.parquet: has column 'label' twice")
    lists = rows.set_column(1, "label", pa.array([["ant"]] * 6))
    refused(lists, r"^b\.parquet: column 'label': list<.*> cannot be read")


def test_columns_may_be_empty_in_one_table_and_of_another_type_of_text(tmp_path: Path) -> None:
    pq.write_table(shard(6, 9), tmp_path / "a.parquet")
    pq.write_table(shard(6, 8).set_column(1, "label", pa.nulls(6)), tmp_path / "b.parquet")
    large = pa.array(["bee"] * 6, pa.large_string())
    pq.write_table(shard(6, 7).set_column(1, "label", large), tmp_path / "c.parquet")
    listing = read_in_place(stored(tmp_path), FORMAT)
    assert listing.label is not None
    assert listing.label.to_pylist()[4:] == ["bee", "cat", *[None] * 6, *["bee"] * 6]


def test_nulls_are_found_in_a_file_without_statistics(tmp_path: Path) -> None:
    pq.write_table(shard(90), tmp_path / "a.parquet", row_group_size=GROUP_ROWS, write_statistics=False)
    listing = read_in_place(stored(tmp_path), FORMAT)
    assert listing.faults == {42: NO_IMAGE, 85: NO_IMAGE}


@pytest.mark.parametrize("when", ["listed", "decoded"])
def test_a_file_that_has_changed_is_refused(folder: Path, tmp_path: Path, when: str) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes((folder / "test-00000-of-00001.parquet").read_bytes())
    tables = stored(tmp_path)
    listing = read_in_place(tables, FORMAT) if when == "decoded" else None
    pq.write_table(shard(30, 5), path)
    with pytest.raises(UserError, match=r"/a\.parquet: has changed since it was listed; run it again"):
        prepare_with(tmp_path / "x", listing or read_in_place(tables, FORMAT), **SETTINGS)


def test_a_damaged_page_is_named(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    whole = bytearray((folder / "test-00000-of-00001.parquet").read_bytes())
    start, _ = image_ranges(folder / "test-00000-of-00001.parquet")[1]
    whole[start : start + 40] = bytes(40)
    path.write_bytes(whole)
    with pytest.raises(UserError, match=r"^a\.parquet: damaged \(.*\); write it again"):
        prepare_with(tmp_path / "x", read_in_place(stored(tmp_path), FORMAT), **SETTINGS)


def test_splits_are_told_by_the_names_of_files(folder: Path) -> None:
    listing = read_in_place(stored(folder), FORMAT)
    assert listing.split is not None
    counts = {each["values"]: each["counts"] for each in listing.split.value_counts().to_pylist()}
    assert counts == {"test": SPLITS["test-00000-of-00001"], "train": 148, "unlabelled": 2}
