"""Parquet files of the source `s3`, which are not copied, are prepared as the same ones on disk are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from parquet_shards import FORMAT, GROUP_ROWS, SPLITS, shard, write_shards
from running import BUCKET
from s3_builds import prepared_as_on_disk
from sprout.config.download import S3
from sprout.data import stored_file
from sprout.data.formats import read_files
from sprout.data.prepare import decode_all as decoding
from sprout.data.sources import fetch, read
from sprout.data.sources import s3 as s3_source
from sprout.data.sources.s3 import FEW_BYTES
from sprout.runtime import s3 as s3_client
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_rows
from test_prepare import bytes_of
from test_prepare import run as prepare_with
from workspaces import run

SETTINGS: dict[str, Any] = {"test": None, "val": 0.2, "labels": None, "max_faulty": 0.1}
PLACE = f"s3://{BUCKET}/pets"


@pytest.fixture
def client(s3: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    s3_client.client.cache_clear()
    yield boto3.client("s3")
    s3_client.client.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("tables") / "pets")


def upload(client: Any, folder: Path) -> None:
    for path in folder.iterdir():
        client.put_object(Bucket=BUCKET, Key=f"pets/{path.name}", Body=path.read_bytes())


def source(**changes: Any) -> S3:
    return S3(source="s3", url=PLACE, format=replace(FORMAT, **changes))


@pytest.mark.parametrize(
    ("few", "file"),
    [(True, "*.parquet"), (False, "*.parquet"), (True, ("train-*.parquet", "test-*.parquet"))],
    ids=["here", "processes", "in turn"],
)
def test_outputs_are_those_of_the_files_on_disk(
    client: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: bool, file: str | tuple[str, ...]
) -> None:
    upload(client, folder)
    monkeypatch.setattr(decoding, "FEW", 500 if few else -1)
    monkeypatch.setattr(s3_source, "FEW_BYTES", FEW_BYTES if few else -1)
    monkeypatch.setattr(decoding, "part_length", lambda *_, here: 3 * GROUP_ROWS // 2)
    settings = source(file=file)
    (tmp_path / "raw").mkdir()
    fetch(settings, tmp_path / "raw", tmp_path)
    there = read(settings, tmp_path / "raw", tmp_path / "none", LocalProcesses())
    on_disk = read_files(folder, tmp_path / "scratch", settings.format)
    assert there.origin.equals(on_disk.origin)
    assert len(there.faults) == 3
    assert there.faults == on_disk.faults
    for name, listing in (("there", there), ("disk", on_disk)):
        prepare_with(tmp_path / name, listing, **SETTINGS)
    prepared = bytes_of(tmp_path / "there/prepared")
    assert prepared == bytes_of(tmp_path / "disk/prepared")
    assert len(read_rows(tmp_path / "there/prepared/quarantine.csv")) == 5
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["objects.csv"]


def test_few_requests_for_many_images(
    client: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(client, folder)
    asked: list[int] = []
    read_object = stored_file.read_object

    def counted(stored: stored_file.Stored, start: int, stop: int) -> bytes:
        asked.append(stop - start)
        return read_object(stored, start, stop)

    monkeypatch.setattr(stored_file, "read_object", counted)
    fetch(source(), tmp_path, tmp_path)
    assert asked == [], "nothing is read to list what is there"
    listing = read(source(), tmp_path, tmp_path)
    groups = sum(-(-rows // GROUP_ROWS) for rows in SPLITS.values())
    assert len(asked) <= 2 * len(SPLITS) + (2 + 1) * groups, "a footer, a column of labels, one of groups, nulls"
    asked.clear()
    prepare_with(tmp_path / "x", listing, **SETTINGS)
    assert len(asked) <= 2 * (groups + 1), "not one for each of 180 images"


@pytest.mark.parametrize("when", ["listed", "decoded"])
@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_file_that_has_changed_is_refused(client: Any, folder: Path, tmp_path: Path, when: str, how: str) -> None:
    upload(client, folder)
    (tmp_path / "raw").mkdir()
    fetch(source(), tmp_path / "raw", tmp_path)
    listing = read(source(), tmp_path / "raw", tmp_path) if when == "decoded" else None
    name = "train-00001-of-00002.parquet"
    if how == "removed":
        client.delete_object(Bucket=BUCKET, Key=f"pets/{name}")
    else:
        content = (folder / name).read_bytes()
        client.put_object(Bucket=BUCKET, Key=f"pets/{name}", Body=content.replace(b"ant", b"bee"))
    says = rf"^{PLACE}/{name}: has changed since it was listed; run `dvc repro -f download`"
    with pytest.raises(UserError, match=says):
        prepare_with(tmp_path / "x", listing or read(source(), tmp_path / "raw", tmp_path), **SETTINGS)


def test_what_is_not_accepted_names_the_object(client: Any, tmp_path: Path) -> None:
    rows = shard(6, 9)
    for name, table, says in (
        ("b.parquet", b"path,label\n", r"b\.parquet: not a Parquet file, or not all of one; write it again"),
        ("b.parquet", b"PAR1" + bytes(100) + b"PAR1", r"b\.parquet: damaged \(.*\); write it again"),
        ("b.parquet", rows.drop_columns("label"), r"b\.parquet: no column 'label' .*; there are: 'image', 'person'"),
        (
            "b.parquet",
            rows.set_column(1, "label", rows["person"]),
            r"b\.parquet: column 'label' has whole",
        ),
        ("b.parquet", rows.set_column(0, "image", rows["label"]), r"b\.parquet: column 'image' has no images"),
    ):
        pq.write_table(rows, tmp_path / "a.parquet")
        path = tmp_path / name
        path.write_bytes(table) if isinstance(table, bytes) else pq.write_table(table, path)
        for each in ("a.parquet", "b.parquet"):
            client.put_object(Bucket=BUCKET, Key=f"pets/{each}", Body=(tmp_path / each).read_bytes())
        fetch(source(), tmp_path, tmp_path)
        with pytest.raises(UserError, match=f"^{PLACE}/{says}"):
            read(source(), tmp_path, tmp_path)


@pytest.mark.slow
def test_a_build_from_s3(client: Any, folder: Path, tmp_path: Path) -> None:
    """Settings on the command line suffice; an object that has another schema ends the stage with 2."""
    upload(client, folder)
    source = [
        f"download.url={PLACE}",
        "download.format.file=*.parquet",
        "download.format.label=label",
        "download.format.group=person",
    ]
    project = prepared_as_on_disk(tmp_path, source, read_files(folder, tmp_path / "scratch", FORMAT))
    rows = shard(6, 9)
    pq.write_table(rows.set_column(1, "label", rows["person"]), tmp_path / "other.parquet")
    client.put_object(Bucket=BUCKET, Key="pets/train-9.parquet", Body=(tmp_path / "other.parquet").read_bytes())
    run(project, "dvc", "repro", "-f", "download")
    said = run(project, "env", "PYTHONPATH=src", "python", "pipelines/prepare.py", code=2)
    assert f"{PLACE}/train-9.parquet: column 'label' has whole numbers, and text in test-00000-of-00001.parquet" in said
