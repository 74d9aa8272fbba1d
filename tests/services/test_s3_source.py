"""The source `s3`: archives of a WebDataset in S3, which are not copied, prepared as the same ones on disk are."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import yaml
from moto.server import ThreadedMotoServer
from PIL import Image

from pictures import encoded
from s3_builds import prepared_as_on_disk
from servers import free_port
from sprout.config.download import S3
from sprout.config.formats import Paths
from sprout.config.sections import SECTIONS
from sprout.data import stored_file
from sprout.data.formats import read_files
from sprout.data.listing import Listing
from sprout.data.prepare import decode_all as decoding
from sprout.data.sources import fetch, read
from sprout.data.sources import s3 as s3_source
from sprout.data.sources.s3 import FEW_BYTES
from sprout.runtime import s3 as s3_client
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_rows
from test_archive import tar
from test_prepare import bytes_of
from test_prepare import run as prepare_with
from workspaces import run

BUCKET = "images"
KEYS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_DEFAULT_REGION": "us-east-1"}
CLASSES = ("ant", "bee", "cat")
SPLITS = {"train-000": 90, "train-001": 60, "test-000": 30}
"""Archive → images."""
FORMAT = Paths(
    kind="paths", file="*.tar", path="image", label="cls", missing=None, split=None, folder_splits=True, group=None,
    unlisted="ignored", classes=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client, and an empty bucket."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    s3_client.client.cache_clear()
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for each in page.get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=each["Key"])
    client.delete_bucket(Bucket=BUCKET)
    s3_client.client.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archives on disk: labels beside images of several kinds; one image is damaged, one empty, one missing."""
    folder, random = tmp_path_factory.mktemp("archives") / "pets", np.random.default_rng(0)
    folder.mkdir()
    for name, count in SPLITS.items():
        members: list[tuple[str, bytes]] = []
        for row in range(count):
            pixels = random.integers(0, 256, (9, 8, 3), np.uint8)
            suffix, kind = (("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP"))[row % 3]
            data = encoded(Image.fromarray(pixels), kind)
            data = {40: data[:60], 41: b""}.get(row, data) if name == "train-000" else data
            if (name, row) != ("train-000", 42):
                members.append((f"./{row:06}.{suffix}", data))
            members.append((f"./{row:06}.cls", CLASSES[row % 3].encode()))
            members.append((f"./{row:06}.json", json.dumps({"text": "x" * 700, "label": CLASSES[row % 3]}).encode()))
        (folder / f"{name}.tar").write_bytes(tar(*members))
    return folder


def upload(client: Any, folder: Path, prefix: str = "pets/") -> None:
    for path in folder.iterdir():
        client.put_object(Bucket=BUCKET, Key=prefix + path.name, Body=path.read_bytes())


def source(url: str = f"s3://{BUCKET}/pets", **changes: Any) -> S3:
    return S3(source="s3", url=url, format=replace(FORMAT, **changes))


def listing_of(settings: S3, raw: Path) -> Listing:
    raw.mkdir(exist_ok=True)
    fetch(settings, raw, raw)
    return read(settings, raw, raw / "none", LocalProcesses())


@pytest.mark.parametrize("few", [True, False], ids=["here", "processes"])
def test_outputs_are_those_of_the_archives_on_disk(
    s3: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: bool
) -> None:
    upload(s3, folder)
    monkeypatch.setattr(decoding, "FEW", 500 if few else -1)
    monkeypatch.setattr(s3_source, "FEW_BYTES", FEW_BYTES if few else -1)
    monkeypatch.setattr(decoding, "PART_IMAGES", 64)
    there = listing_of(source(), tmp_path / "raw")
    on_disk = read_files(folder, tmp_path / "scratch", FORMAT)
    assert there.origin.equals(on_disk.origin)
    assert there.faults == on_disk.faults == {72: "no image in column 'image'"}
    settings = {"test": None, "val": 0.2, "labels": None, "max_faulty": 0.1}
    for name, listing in (("there", there), ("disk", on_disk)):
        prepare_with(tmp_path / name, listing, **settings)
    prepared = bytes_of(tmp_path / "there/prepared")
    assert prepared == bytes_of(tmp_path / "disk/prepared")
    assert {"train/labels.parquet", "test/labels.parquet", "quarantine.csv"} <= set(prepared)
    assert len(read_rows(tmp_path / "there/prepared/quarantine.csv")) == 3
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["objects.csv"]
    assert [*(tmp_path / "scratch").rglob("*")] == [tmp_path / "scratch/arrays"], "no file for an image"


def test_few_requests_for_many_images(s3: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(s3, folder)
    asked: list[str] = []
    read_object = stored_file.read_object

    def counted(stored: stored_file.Stored, start: int, stop: int) -> bytes:
        asked.append(stored.name)
        return read_object(stored, start, stop)

    monkeypatch.setattr(stored_file, "read_object", counted)
    settings = source()
    (tmp_path / "raw").mkdir()
    fetch(settings, tmp_path / "raw", tmp_path)
    assert asked == [], "nothing is read to list what is there"
    listing = read(settings, tmp_path / "raw", tmp_path)
    prepare_with(tmp_path, listing, test=None, val=0.2, labels=None, max_faulty=0.1)
    assert len(asked) <= 6 * len(SPLITS), "not one for each of 180 images"


def test_the_list_is_made_by_several_requests(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "PAGE", 3)
    for number in range(10):
        s3.put_object(Bucket=BUCKET, Key=f"many/part-{number}.tar", Body=bytes(number))
    s3.put_object(Bucket=BUCKET, Key="many/folder/part-0.tar", Body=b"deeper")
    s3.put_object(Bucket=BUCKET, Key="many/README.md", Body=b"text")
    s3.put_object(Bucket=BUCKET, Key="many-others/part-0.tar", Body=b"text")
    fetch(source(f"s3://{BUCKET}/many/"), tmp_path, tmp_path)
    rows = read_rows(tmp_path / "objects.csv")
    assert [row["name"] for row in rows] == [f"part-{number}.tar" for number in range(10)]
    assert [row["bytes"] for row in rows] == [str(number) for number in range(10)]
    assert rows[1]["etag"] == s3.head_object(Bucket=BUCKET, Key="many/part-1.tar")["ETag"].strip('"')
    fetch(source(f"s3://{BUCKET}/many", file="*/part-*.tar"), tmp_path, tmp_path)
    assert [row["name"] for row in read_rows(tmp_path / "objects.csv")] == ["folder/part-0.tar"]


@pytest.mark.parametrize("when", ["indexed", "decoded"])
@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_an_archive_that_has_changed_is_refused(s3: Any, folder: Path, tmp_path: Path, when: str, how: str) -> None:
    upload(s3, folder)
    (tmp_path / "raw").mkdir()
    fetch(source(), tmp_path / "raw", tmp_path)
    listing = read(source(), tmp_path / "raw", tmp_path) if when == "decoded" else None
    if how == "removed":
        s3.delete_object(Bucket=BUCKET, Key="pets/train-001.tar")
    else:
        content = (folder / "train-001.tar").read_bytes()
        s3.put_object(Bucket=BUCKET, Key="pets/train-001.tar", Body=content.replace(b"ant", b"bee"))
    says = r"^s3://images/pets/train-001\.tar: has changed since it was listed; run `dvc repro -f download`"
    with pytest.raises(UserError, match=says):
        prepare_with(tmp_path / "x", listing or read(source(), tmp_path / "raw", tmp_path), max_faulty=0.1)


def test_an_archive_on_disk_that_has_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    path = tmp_path / "one/train-000.tar"
    path.write_bytes((folder / path.name).read_bytes())
    listing = read_files(tmp_path / "one", tmp_path / "scratch", FORMAT)
    path.write_bytes((folder / path.name).read_bytes().replace(b"ant", b"bee"))
    with pytest.raises(UserError, match=r"one/train-000\.tar: has changed since it was listed; run it again"):
        prepare_with(tmp_path / "x", listing, max_faulty=0.1)


def test_what_is_not_accepted_is_said(s3: Any, folder: Path, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="pets/README.md", Body=b"text")
    with pytest.raises(UserError, match=r"no object there is a \*\.tar .*; there are: README\.md"):
        fetch(source(), tmp_path, tmp_path)
    with pytest.raises(
        UserError, match=r"^s3://absent: S3 at AWS_ENDPOINT_URL says: .*NoSuchBucket.*; see AWS_ENDPOINT_URL, "
    ):
        fetch(source("s3://absent"), tmp_path, tmp_path)
    s3.put_object(Bucket=BUCKET, Key="pets/a.tar", Body=b"\x1f\x8b" + bytes(600))
    with pytest.raises(UserError, match=r"pets/a\.tar: is compressed, .*; pack it as a plain tar"):
        listing_of(source(), tmp_path / "raw")
    s3.put_object(Bucket=BUCKET, Key="pets/a.tar", Body=(folder / "test-000.tar").read_bytes()[:3000])
    with pytest.raises(UserError, match=r"a\.tar: damaged after "):
        listing_of(source(), tmp_path / "raw")
    s3.put_object(Bucket=BUCKET, Key="pets/a.tar", Body=(folder / "test-000.tar").read_bytes())
    with pytest.raises(UserError, match=r"a\.tar: no column 'class'"):
        listing_of(source(label="class"), tmp_path / "raw")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"file": "*.csv"}, r"download\.format\.file=\*\.csv: accepted: names of .*\*\.tar, or of .*\*\.parquet"),
        ({"file": ["a.tar", "b.parquet"]}, r"download\.format\.file=b\.parquet: accepted: .*; not of both"),
        ({"file": ["a.tar", "b.tar.gz"]}, r"download\.format\.file=b\.tar\.gz: accepted"),
        ({"path": "file"}, r"download\.format\.path=file: accepted: image"),
        ({"unlisted": "unlabelled"}, r"download\.format\.unlisted=unlabelled: accepted: ignored"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], says: str) -> None:
    values = yaml.safe_load(Path("conf/download/s3.yaml").read_text()) | {"url": "s3://images/pets"}
    with pytest.raises(UserError, match=says):
        SECTIONS["download"]("download", values | {"format": values["format"] | changes})


def test_no_server_and_no_library(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(s3_client, "TRIES", 1)
    s3_client.client.cache_clear()
    with pytest.raises(
        UserError, match=r"^s3://images/pets: S3 at AWS_ENDPOINT_URL says: Could not connect .*\"AWS_ENDPOINT_URL/"
    ):
        fetch(source(), tmp_path, tmp_path)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(UserError, match=r"^s3://images/pets: needs the package botocore: pip install 'sprout\[s3\]'"):
        fetch(source(), tmp_path, tmp_path)


@pytest.mark.slow
def test_a_build_from_s3(s3: Any, folder: Path, tmp_path: Path) -> None:
    """DVC keeps the list alone; another archive under the same name ends the stage with 2."""
    upload(s3, folder)
    on_disk = read_files(folder, tmp_path / "scratch", FORMAT)
    project = prepared_as_on_disk(tmp_path, [f"download.url=s3://{BUCKET}/pets"], on_disk)
    assert sorted(path.name for path in (project / "data/raw").iterdir()) == ["manifest.json", "objects.csv"]
    s3.put_object(Bucket=BUCKET, Key="pets/test-000.tar", Body=(folder / "train-001.tar").read_bytes())
    said = run(project, "dvc", "repro", "-f", "-s", "prepare", code=255)
    assert "s3://images/pets/test-000.tar: has changed since it was listed; run `dvc repro -f download`" in said
