"""Files named by their SHA-256 in a folder that machines share, in S3, and in this machine's cache."""

import hashlib
import multiprocessing
import os
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from sprout.runtime import node_cache
from sprout.runtime.errors import UserError
from sprout.runtime.node_cache import NodeCache
from sprout.runtime.objects import Bucket, SharedFolder, objects_at

CONTENT = b"examples" * 100
SHA = hashlib.sha256(CONTENT).hexdigest()


def put(objects: SharedFolder | Bucket, content: bytes = CONTENT) -> str:
    path, sha256 = objects.new(), hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    objects.put(path, sha256)
    return sha256


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/mnt/shared/store", SharedFolder),
        ("s3://team-1/sprout", Bucket),
        ("s3://team.1/a/b_c", Bucket),
        ("s3://team", Bucket),
    ],
)
def test_an_address_is_a_folder_or_a_prefix_of_a_bucket(address: str, kind: type) -> None:
    assert objects_at(address) == kind(address)


@pytest.mark.parametrize(
    "address",
    ["store", "./store", "s3://", "s3://Team/x", "s3://team/", "s3://team//x", "s3://key:secret@team/x", "gs://team/x"],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"accepted: the absolute path of a folder .*s3://BUCKET/PREFIX, or null"):
        objects_at(address)


class TestSharedFolder:
    def test_a_file_gets_the_name_of_its_content(self, tmp_path: Path) -> None:
        folder = SharedFolder(str(tmp_path))
        assert put(folder) == SHA
        assert folder.file(SHA) == tmp_path / f"{SHA}.npy"
        assert folder.file(SHA).read_bytes() == CONTENT
        (stored,) = folder.listed()
        assert (stored.name, stored.size, stored.written) == (f"{SHA}.npy", 800, folder.file(SHA).stat().st_mtime)

    def test_one_that_is_written_again_is_as_young_as_a_new_one(self, tmp_path: Path) -> None:
        folder = SharedFolder(str(tmp_path))
        put(folder)
        os.utime(folder.path(SHA), (0, 0))
        put(folder)
        assert folder.path(SHA).stat().st_mtime > time.time() - 60

    def test_damage_is_noticed(self, tmp_path: Path) -> None:
        folder = SharedFolder(str(tmp_path))
        put(folder)
        folder.file(SHA)
        folder.path(SHA).write_bytes(b"x" + CONTENT[1:])
        with pytest.raises(UserError, match=r"npy: damaged or changed: its SHA-256 is .*; remove it; `dvc repro -fs"):
            folder.file(SHA)

    def test_one_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=rf"{SHA}.npy: not there; `dvc repro -fs prepare`"):
            SharedFolder(str(tmp_path)).file(SHA)

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"cluster.store=.*/none: no such folder; make it"):
            SharedFolder(str(tmp_path / "none")).check_reached()

    def test_other_files_are_not_listed(self, tmp_path: Path) -> None:
        folder = SharedFolder(str(tmp_path))
        put(folder)
        half = folder.new()
        half.touch()
        for other in ("notes.txt", "shards.npy", f"{SHA}.npy.bak"):
            (tmp_path / other).touch()
        assert {each.name for each in folder.listed()} == {f"{SHA}.npy", half.name}
        folder.remove([f"{SHA}.npy", half.name, "gone.npy"])
        assert list(folder.listed()) == []


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeCache:
    monkeypatch.setenv("SPROUT_CACHE", str(tmp_path / "cache"))
    return NodeCache.of_machine()


def fetch(sources: Path, sha256: str, path: Path) -> None:
    with (sources / "fetched").open("a") as log:
        log.write(f"{sha256}\n")
    path.write_bytes((sources / sha256).read_bytes())


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    return tmp_path / "sources"


def source(sources: Path, number: int) -> str:
    content = bytes([number]) * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    (sources / sha256).write_bytes(content)
    return sha256


def fetched(sources: Path) -> list[str]:
    return (sources / "fetched").read_text().split()


def take(sources: Path, sha256: str) -> bytes:
    """What a process does with the cache."""
    return NodeCache.of_machine().file(sha256, partial(fetch, sources, sha256)).read_bytes()


class TestNodeCache:
    def test_a_file_is_fetched_once(self, cache: NodeCache, sources: Path) -> None:
        sha256 = source(sources, 1)
        assert [take(sources, sha256) for _ in range(3)] == [bytes([1]) * 1000] * 3
        assert fetched(sources) == [sha256]

    def test_a_file_of_the_cache_that_was_damaged_is_fetched_again(self, cache: NodeCache, sources: Path) -> None:
        sha256 = source(sources, 1)
        take(sources, sha256)
        cache.path(sha256).write_bytes(b"something else")
        assert take(sources, sha256) == bytes([1]) * 1000
        assert fetched(sources) == [sha256, sha256]

    def test_those_that_were_used_longest_ago_make_room(
        self, cache: NodeCache, sources: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPROUT_CACHE_GIB", str(3500 / 2**30))
        names = [source(sources, number) for number in range(5)]
        for number in (0, 1, 2, 0, 3, 4):  # 1 was used before 0 was used again
            take(sources, names[number])
        assert {path.stem for path in cache.folder.glob("*.npy")} == {names[0], names[3], names[4]}
        assert take(sources, names[1]) == bytes([1]) * 1000

    def test_a_file_larger_than_the_cache_is_kept_alone(
        self, cache: NodeCache, sources: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPROUT_CACHE_GIB", str(10 / 2**30))
        names = [source(sources, number) for number in range(2)]
        for name in names:
            assert len(take(sources, name)) == 1000
        assert [path.stem for path in cache.folder.glob("*.npy")] == [names[1]]

    def test_a_fetch_that_fails_leaves_nothing(self, cache: NodeCache, sources: Path) -> None:
        def fail(path: Path) -> None:
            path.write_bytes(b"half of")
            raise UserError("the line was cut")

        with pytest.raises(UserError, match="the line was cut"):
            cache.file(SHA, fail)
        assert {path.suffix for path in cache.folder.iterdir()} == {".lock"}

    def test_what_a_killed_process_left_is_removed_after_a_day(self, cache: NodeCache, sources: Path) -> None:
        old, young = cache.new(), cache.new()
        for path, age in ((old, 2 * node_cache.DAY), (young, 60)):
            path.write_bytes(b"half")
            os.utime(path, (time.time() - age,) * 2)
        take(sources, source(sources, 1))
        assert (old.exists(), young.exists()) == (False, True)

    @pytest.mark.slow
    def test_several_processes_fetch_a_file_once(self, cache: NodeCache, sources: Path) -> None:
        names = [source(sources, number) for number in range(3)]
        with multiprocessing.get_context("spawn").Pool(3) as pool:
            taken = pool.starmap(take, [(sources, name) for name in names * 8], chunksize=1)
        assert taken == [bytes([number]) * 1000 for number in range(3)] * 8
        assert sorted(fetched(sources)) == sorted(names)

    @pytest.mark.slow
    def test_processes_that_remove_what_others_want_disturb_none(
        self, cache: NodeCache, sources: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPROUT_CACHE_GIB", str(2500 / 2**30))
        names = [source(sources, number) for number in range(6)]
        with multiprocessing.get_context("spawn").Pool(3) as pool:
            paths = pool.starmap(found, [(sources, name) for name in names * 20], chunksize=1)
        assert paths == names * 20
        assert len(list(cache.folder.glob("*.npy"))) <= 3

    @pytest.mark.parametrize("size", ["0", "-1", "nan", "much"])
    def test_a_size_that_is_none_is_refused(self, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SPROUT_CACHE_GIB", size)
        with pytest.raises(UserError, match=f"SPROUT_CACHE_GIB={size}: accepted: a number above 0, of GiB"):
            NodeCache.of_machine()

    def test_it_lies_where_caches_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SPROUT_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert NodeCache.of_machine() == NodeCache(tmp_path / "sprout", 100 * 2**30)


def found(sources: Path, sha256: str) -> str:
    """Return the name of the file, which another process may remove at once."""
    return NodeCache.of_machine().file(sha256, partial(fetch, sources, sha256)).stem


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(
        UserError, match=r"cluster.store=s3://team/x: needs the package boto3: pip install 'sprout\[s3\]'"
    ):
        Bucket("s3://team/x").check_reached()
