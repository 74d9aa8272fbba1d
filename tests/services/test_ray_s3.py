"""The source `s3` in a Ray cluster: tasks of its processes list the same as this process does."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("ray")

from parquet_shards import FORMAT, write_shards
from pictures import encoded
from ray_cluster import RayCluster
from running import BUCKET, KEYS
from sprout.config.download import S3
from sprout.data.listing import Listing, Members
from sprout.data.members import MARK
from sprout.data.sources import fetch, read
from sprout.data.sources import s3 as s3_source
from sprout.runtime import s3 as s3_client
from sprout.runtime.engine import Engine, LocalProcesses, RayTasks
from sprout.runtime.errors import UserError
from tasks_of_tests import with_variables
from test_archive import tar

pytestmark = pytest.mark.slow


@pytest.fixture
def variables(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What a process needs to read the bucket; this one has it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    s3_client.client.cache_clear()
    yield {**KEYS, "AWS_ENDPOINT_URL": s3}
    s3_client.client.cache_clear()


@dataclass(frozen=True)
class Tasks(RayTasks):
    """Tasks that have these variables; the machines of a cluster have their own."""

    variables: dict[str, str] = field(default_factory=dict)

    def run_in_order(self, tasks: Iterator[partial[Any]]) -> Generator[Any]:
        return super().run_in_order(partial(with_variables, task, self.variables) for task in tasks)


def uploaded(kind: str, folder: Path) -> S3:
    """Put two archives, or three Parquet files, into the bucket."""
    if kind == "parquet":
        write_shards(folder)
    else:
        folder.mkdir(parents=True)
        for name in ("train-000", "val-000"):
            members = [
                (f"{row}.png", encoded(Image.fromarray(np.full((3, 2), row, np.uint8)), "PNG")) for row in range(9)
            ]
            labels = [(f"{row}.cls", b"ant" if row % 2 else b"bee") for row in range(9)]
            pairs = [each for pair in zip(members, labels, strict=True) for each in pair]
            (folder / f"{name}.tar").write_bytes(tar(*pairs))
    client = boto3.client("s3")
    for path in folder.iterdir():
        client.put_object(Bucket=BUCKET, Key=f"{kind}/{path.name}", Body=path.read_bytes())
    archives = {} if kind == "parquet" else {"file": "*.tar", "label": "cls", "group": None}
    return S3(source="s3", url=f"s3://{BUCKET}/{kind}", format=replace(FORMAT, **archives))


def described(listing: Listing) -> dict[str, Any]:
    """All that is known of the examples."""
    assert isinstance(listing.examples, Members)
    columns = {name: getattr(listing, name) for name in ("origin", "label", "split", "group")}
    borders = None if listing.examples.borders is None else listing.examples.borders.tolist()
    return {name: column and column.to_pylist() for name, column in columns.items()} | {
        "names": listing.examples.some(slice(None)),
        "place": listing.examples.place,
        "borders": borders,
        "faults": listing.faults,
        "notes": listing.notes,
    }


def test_tasks_of_a_cluster_list_the_same(
    cluster: RayCluster, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(settings: S3, engine: Engine) -> dict[str, Any]:
        return described(read(settings, tmp_path / Path(settings.url).name, tmp_path, engine))

    sources = [uploaded(kind, tmp_path / "objects" / kind) for kind in ("tar", "parquet")]
    for settings in sources:
        (tmp_path / Path(settings.url).name).mkdir()
        fetch(settings, tmp_path / Path(settings.url).name, tmp_path)
    here = [listed(settings, LocalProcesses()) for settings in sources]
    assert [len(each["names"]) for each in here] == [18, 180]
    monkeypatch.setattr(s3_source, "FEW_BYTES", -1)
    monkeypatch.setattr(s3_source, "in_this_process", None)
    with Tasks(cluster.address, None, variables).keeping() as engine:
        assert [listed(settings, engine) for settings in sources] == here
        replaced = replace_one(sources[1], here[1]["names"])
        with pytest.raises(UserError, match=rf"{replaced}: has changed since it was listed"):
            listed(sources[1], engine)


def replace_one(settings: S3, names: list[str]) -> str:
    """Put something else where an object is, and return where."""
    name = next(name.partition(MARK)[0] for name in reversed(names))
    key = f"{settings.url.rpartition('/')[2]}/{name}"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"another one")
    return key
