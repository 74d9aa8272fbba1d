"""Examples in S3: a round trip, a build that reads them from there, and what is said where S3 does not answer."""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml

from running import BUCKET
from sprout.cli import main
from sprout.runtime import s3 as s3_client
from sprout.runtime.errors import UserError
from sprout.runtime.node_cache import NodeCache
from sprout.runtime.objects import Bucket
from workspaces import commit_all, new_project, run

CONTENT = b"examples" * 100
SHA = hashlib.sha256(CONTENT).hexdigest()
SHORT = ["train.epochs=2"]


def put(objects: Bucket, content: bytes = CONTENT) -> str:
    path, sha256 = objects.new(), hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    objects.put(path, sha256)
    return sha256


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeCache:
    monkeypatch.setenv("SPROUT_CACHE", str(tmp_path / "cache"))
    return NodeCache.of_machine()


class TestBucket:
    @pytest.fixture
    def bucket(self, s3: str, cache: NodeCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
        s3_client.client.cache_clear()
        monkeypatch.chdir(tmp_path)  # has marks of what was compared
        yield Bucket(f"s3://{BUCKET}/sprout/store")
        s3_client.client.cache_clear()

    def test_a_round_trip(self, bucket: Bucket, cache: NodeCache) -> None:
        bucket.check_reached()
        assert put(bucket) == SHA
        assert cache.path(SHA).is_file(), "what was written here need not be fetched"
        cache.path(SHA).unlink()
        assert bucket.file(SHA).read_bytes() == CONTENT
        (stored,) = bucket.listed()
        assert stored[:2] == (f"{SHA}.npy", 800)
        assert abs(stored.written - time.time()) < 60
        bucket.remove([stored.name])
        assert list(bucket.listed()) == []

    def test_a_large_file_goes_in_parts(self, bucket: Bucket, cache: NodeCache) -> None:
        content = os.urandom(40 << 20)
        sha256 = put(bucket, content)
        cache.path(sha256).unlink()
        assert bucket.file(sha256).read_bytes() == content

    def test_a_small_object_is_written_and_read(self, bucket: Bucket) -> None:
        name = f"{SHA[:32]}.json"
        bucket.write(name, b"{}")
        assert bucket.read(name) == b"{}"
        assert [each.name for each in bucket.listed()] == [name]
        with pytest.raises(UserError, match=r"/sprout/store/none\.json: S3 at AWS_ENDPOINT_URL says: .*NoSuchKey"):
            bucket.read("none.json")

    def test_one_that_is_there_is_not_sent_again_but_is_as_young(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(bucket)
        (before,) = bucket.listed()
        monkeypatch.setattr(s3_client.client(os.getpid()), "upload_file", None)
        time.sleep(1.1)  # times of objects are whole seconds
        put(bucket)
        (after,) = bucket.listed()
        assert after.written > before.written

    def test_other_objects_are_not_listed(self, bucket: Bucket) -> None:
        put(bucket)
        for name in ("notes.txt", f"below/{SHA}.npy"):
            boto3.client("s3").put_object(Bucket=BUCKET, Key=f"sprout/store/{name}", Body=b"x")
        assert [each.name for each in bucket.listed()] == [f"{SHA}.npy"]

    def test_a_damaged_object_is_named(self, bucket: Bucket, cache: NodeCache) -> None:
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"sprout/store/{SHA}.npy", Body=b"something else")
        with pytest.raises(UserError, match=rf"damaged or changed: .*remove s3://team/sprout/store/{SHA}.npy"):
            bucket.file(SHA)
        assert not cache.path(SHA).exists()

    def test_a_missing_object_is_named(self, bucket: Bucket) -> None:
        with pytest.raises(UserError, match=rf"s3://team/sprout/store/{SHA}.npy: .*; `dvc repro -fs prepare`"):
            bucket.file(SHA)

    def test_a_missing_bucket_is_named(self, bucket: Bucket) -> None:
        with pytest.raises(
            UserError,
            match=r"s3://other/x: S3 at AWS_ENDPOINT_URL says: .*NoSuchBucket.*; see AWS_ENDPOINT_URL, AWS_REGION",
        ):
            Bucket("s3://other/x").check_reached()

    def test_neither_endpoint_nor_credentials_are_said(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setattr(s3_client, "TRIES", 1)
        s3_client.client.cache_clear()
        with pytest.raises(UserError) as refused:
            bucket.check_reached()
        assert "AWS_ENDPOINT_URL" in str(refused.value)
        assert "127.0.0.1" not in str(refused.value)

    def test_missing_credentials_are_said(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        s3_client.client.cache_clear()
        with pytest.raises(
            UserError, match=r"Unable to locate credentials; see AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID"
        ):
            bucket.check_reached()


def test_a_build_with_examples_in_s3_learns_the_same(
    s3: str, cache: NodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another store builds nothing again; forced, it moves the examples, and the same weights are learned from them.

    `sprout gc` removes what is prepared in no commit.
    """
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    folder, store = new_project(tmp_path / "sprout"), f"s3://{BUCKET}/digits"
    more = {"AWS_ENDPOINT_URL": s3}

    def build(overrides: list[str], *words: str) -> str:
        (folder / "params.yaml").write_text(yaml.safe_dump({"experiment": "digits", "overrides": SHORT + overrides}))
        run(folder, "dvc", "repro", "compose", more=more)
        return run(folder, "dvc", "repro", *words, more=more)

    def learned() -> tuple[bytes, dict[str, str]]:
        stores = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("data/prepared/*/store.json")}
        checksums = {name: found["sha256"] for name, found in stores.items()}
        assert len(checksums) == 4
        return (folder / "models/teacher/model.safetensors").read_bytes(), checksums

    build([], "train")
    commit_all(folder)
    local = learned()
    assert "didn't change, skipping" in build([f"cluster.store={store}"], "train")
    build([f"cluster.store={store}"], "--force", "--single-item", "prepare")
    assert not list(folder.glob("data/prepared/**/*.npy"))
    shutil.rmtree(cache.folder)
    assert "Running stage 'train'" in build([f"cluster.store={store}"], "train")
    assert learned() == local
    commit_all(folder)
    assert list(cache.folder.glob("*.npy")), "it was read from S3"
    kept = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".pyc", ".npy")]
    assert not [path for path in kept if s3.encode() in path.read_bytes()], "the endpoint was written to a file"

    committed = set(Bucket(store).listed())
    assert len(committed) == 5, "of four splits, and the record of them"
    build([f"cluster.store={store}", "prepare.seed=7"], "prepare")
    assert len(set(Bucket(store).listed())) > 5
    shutil.rmtree(folder / ".dvc/cache")
    run(folder, "git", "checkout", "--", "dvc.lock")
    shutil.rmtree(folder / "data/prepared")
    assert ": removed 0 of " in run(folder, "sprout", "gc", "--yes", more=more), "all is young"
    monkeypatch.setattr(sys, "argv", ["sprout", "gc", "--yes"])
    later = time.time() + 30 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit, match="0"):
        main()
    assert {each.name for each in Bucket(store).listed()} == {each.name for each in committed}
