"""Stores in several files, written by several processes, and what a kill leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sprout.data.listing import Listing
from sprout.data.prepare import decode_all as decoding
from sprout.data.prepare import stores
from sprout.data.prepare.parts import Parts
from sprout.data.store import open_store
from sprout.runtime.checksums import sha256
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json
from sprout.runtime.objects import SharedFolder
from test_prepare import LISTING, bytes_of, make_listing, run

ROOT = Path(__file__).parents[1]
BYTES_EACH = 36
DEEP = make_listing(examples=LISTING.examples * np.uint16(257))


@pytest.mark.parametrize("listing", [LISTING, DEEP], ids=["copied", "converted"])
def test_processes_give_the_same_files_in_several_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: Listing
) -> None:
    monkeypatch.setattr(stores, "SHARD_BYTES", 7 * BYTES_EACH)
    here = run(tmp_path / "here", listing)
    monkeypatch.setattr(stores, "FEW_BYTES", -1)
    monkeypatch.setattr(decoding, "FEW", -1)
    there = run(tmp_path / "there", listing)
    assert there == here
    assert bytes_of(tmp_path / "there/prepared") == bytes_of(tmp_path / "here/prepared")
    train = open_store(tmp_path / "there/prepared/train")
    assert np.diff(train.starts).tolist() == [7, 7, 7, 7, 7, 5]
    whole = run(tmp_path / "whole", LISTING)
    assert whole == here, "the statistics do not depend on the files"
    np.testing.assert_array_equal(
        train.take(np.arange(40)), open_store(tmp_path / "whole/prepared/train").take(np.arange(40))
    )


def test_the_same_files_are_there_as_from_one_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of a file are those that numpy itself would write."""
    monkeypatch.setattr(stores, "SHARD_BYTES", 25 * BYTES_EACH)
    run(tmp_path)
    val = tmp_path / "prepared/val"
    store = open_store(val)
    for number in range(len(store.starts) - 1):
        np.save(tmp_path / "saved.npy", store.shard(number))
        assert (val / f"examples-{number:03}.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()


@pytest.mark.parametrize("few", [0, 1 << 30], ids=["processes", "this process"])
def test_examples_in_a_shared_folder_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """The folder has manifests and tables only; summary and checksums do not depend on where the examples are."""
    monkeypatch.setattr(stores, "SHARD_BYTES", 7 * BYTES_EACH)
    monkeypatch.setattr(stores, "FEW_BYTES", few)
    shared = SharedFolder(str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    here = run(tmp_path / "here")
    assert run(tmp_path / "there", objects=shared) == here
    own, elsewhere = (bytes_of(tmp_path / name / "prepared") for name in ("here", "there"))
    assert {name: elsewhere[name] for name in elsewhere if not name.endswith("store.json")} == {
        name: own[name] for name in own if not name.endswith(("store.json", ".npy"))
    }
    for split in ("train", "val", "unlabelled", "test"):
        one, other = (open_store(tmp_path / name / "prepared" / split) for name in ("here", "there"))
        assert one.checksum == other.checksum
        np.testing.assert_array_equal(one.take(np.arange(len(one))), other.take(np.arange(len(one))))
    files, names = {sha256(path) for path in tmp_path.glob("here/**/*.npy")}, {each.name for each in shared.listed()}
    (record,) = names - {f"{each}.npy" for each in files}
    assert len(names) == len(files) + 1
    assert set(read_json(Path(shared.address) / record)["files"]) == files


def test_a_table_goes_there_too(tmp_path: Path) -> None:
    shared = SharedFolder(str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    features = np.random.default_rng(0).normal(size=(len(LISTING.label), 5)).astype(np.float32)
    listing = make_listing(examples=features, features=list("abcde"))
    run(tmp_path / "here", listing)
    run(tmp_path / "there", listing, objects=shared)
    one, other = (open_store(tmp_path / name / "prepared/train") for name in ("here", "there"))
    assert one.checksum == other.checksum
    np.testing.assert_array_equal(one.take(np.arange(len(one))), other.take(np.arange(len(one))))
    assert not list((tmp_path / "there").rglob("*.npy"))


def test_a_stage_that_fails_leaves_nothing_half_written_in_a_shared_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedFolder(str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    checked = Parts.checked

    def fail(parts: Parts, rows: np.ndarray, digests: np.ndarray) -> np.ndarray:
        assert list(shared.listed()), "a file has been begun"
        return checked(parts, rows, digests ^ 1)

    monkeypatch.setattr(Parts, "checked", fail)
    with pytest.raises(UserError, match="is not what was decoded"):
        run(tmp_path, objects=shared)
    assert list(shared.listed()) == []


def test_a_folder_that_is_not_there_ends_the_stage_before_anything_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cluster\.store=.*none: no such folder"):
        run(tmp_path, objects=SharedFolder(str(tmp_path / "none")))
    assert not list((tmp_path / "scratch").iterdir())


def test_a_part_that_is_damaged_ends_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_per_shard = stores.rows_per_shard  # called between the two phases

    def damage(*given: object) -> int:
        (part,) = (tmp_path / "scratch").glob("*/part-*")
        data = bytearray(part.read_bytes())
        data[BYTES_EACH] ^= 1
        part.write_bytes(data)
        return rows_per_shard(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stores, "rows_per_shard", damage)
    with pytest.raises(UserError, match=r"part-000000: damaged \(image 1 is not what was decoded\); run `dvc repro`"):
        run(tmp_path, test=None, labels=None)


SCRIPT = """
import sys
from pathlib import Path
from sprout.data.prepare import decode_all, stores
from sprout.data.prepare.prepare import prepare
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.files import atomic_folder, scratch_folder
from test_prepare import make_listing, settings_with
import numpy as np

if __name__ == "__main__":
    decode_all.FEW, stores.FEW_BYTES, stores.SHARD_BYTES = -1, -1, 100_000
    images = np.random.default_rng(0).integers(0, 65536, (2000, 60, 60, 3), dtype=np.uint16)
    listing = make_listing(2000, examples=images)
    with atomic_folder(Path("data/prepared")) as folder, scratch_folder(Path("scratch")) as scratch:
        prepare(listing, folder, scratch, settings_with(near_duplicates=False), LocalProcesses())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "reached", ["scratch/*/part-*", "data/prepared.tmp-new/*/examples-*.npy"], ids=["parts", "files"]
)
def test_a_killed_stage_leaves_no_half_written_store_and_the_next_run_is_whole(tmp_path: Path, reached: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests"), str(ROOT)])}
    command = [sys.executable, "script.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL) as process:
        while not list(tmp_path.glob(reached)):
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "data/prepared").exists()
    subprocess.run(command, cwd=tmp_path, env=env, check=True, stderr=subprocess.DEVNULL)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["prepared"]
    assert not (tmp_path / "scratch").exists()
    found = bytes_of(tmp_path / "data/prepared")
    assert not [name for name in found if ".tmp" in name]
    assert len([name for name in found if name.startswith("test/examples-")]) == 7  # 60 images, 9 in a file
    for name in ("train", "val", "unlabelled", "test"):
        open_store(tmp_path / "data/prepared" / name)
