"""Parts of decoded images: every row is where it belongs, and damage is noticed."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sprout.data.prepare import parts as parts_module
from sprout.data.prepare.parts import Parts, batches, digest, even_starts
from sprout.data.prepare.worker import write_shard
from sprout.data.shards import Destination
from sprout.runtime.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 4, 3, 2), dtype=np.uint8)
DIGESTS = np.stack([np.frombuffer(digest(image), np.uint8) for image in IMAGES])


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """23 images in parts of 5, the last one of 3."""
    made = Parts(tmp_path, even_starts(23, 5), (4, 3, 2))
    for number in range(5):
        with made.new(number) as file:
            file.write(IMAGES[5 * number : 5 * number + 5].data)
    return made


def test_rows_are_taken_in_any_order(parts: Parts) -> None:
    for rows in ([4, 5], [22, 0, 0, 13, 9], [], list(range(23))):
        chosen = np.array(rows, np.int64)
        np.testing.assert_array_equal(parts.take(chosen), IMAGES[chosen])
        np.testing.assert_array_equal(parts.checked(chosen, DIGESTS[chosen]), IMAGES[chosen])


def test_a_part_is_not_there_before_it_is_complete(parts: Parts) -> None:
    before = parts.path(0).read_bytes()
    with suppress(KeyboardInterrupt), parts.new(0) as file:
        file.write(b"half")
        file.flush()
        assert parts.path(0).read_bytes() == before
        raise KeyboardInterrupt
    assert parts.path(0).read_bytes() == before


def test_two_processes_may_write_the_same_part(parts: Parts) -> None:
    with parts.new(0) as one, parts.new(0) as other:
        one.write(IMAGES[:5].data)
        other.write(IMAGES[:5].data)
    np.testing.assert_array_equal(parts.take(np.arange(5)), IMAGES[:5])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[24 + 7] ^= 1  # in image 11
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "says"), [(flipped, "image 11 is not what was decoded"), (cut, "greater than"), (Path.unlink, "No such")]
)
def test_a_damaged_part_is_noticed_where_it_is_used(parts: Parts, tmp_path: Path, damage, says: str) -> None:  # type: ignore[no-untyped-def]
    damage(parts.path(2))
    rows = np.arange(10)
    write_shard(parts, Destination(tmp_path), 0, rows, DIGESTS[rows], counted=False)
    rows = np.arange(8, 13)
    with pytest.raises(UserError, match=rf"part-000002: damaged \(.*{says}"):
        write_shard(parts, Destination(tmp_path), 1, rows, DIGESTS[rows], counted=False)
    assert not (tmp_path / "examples-001.npy").exists()


def test_a_machine_without_a_part_says_so(parts: Parts) -> None:
    parts.check(4, 72)
    cut(parts.path(4))
    with pytest.raises(UserError, match=r"part-000004: damaged \(71 bytes, not 72\)"):
        parts.check(4, 72)
    parts.path(4).unlink()
    with pytest.raises(UserError, match=r"part-000004: damaged \(not there\).*all machines share"):
        parts.check(4, 72)


def test_a_machine_without_the_folders_says_so(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none: not a folder on the machine .*a file system that they share"):
        write_shard(parts, Destination(tmp_path / "none"), 0, np.arange(2), DIGESTS[:2], counted=False)


@pytest.mark.parametrize("batch_bytes", [1, 50, 1 << 20])
def test_a_shard_has_its_rows_and_statistics_in_any_batches(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_bytes: int
) -> None:
    monkeypatch.setattr(parts_module, "BATCH_BYTES", batch_bytes)
    rows = np.array([1, 3, 4, 5, 12, 20, 22])
    written = write_shard(parts, Destination(tmp_path), 0, rows, DIGESTS[rows], counted=True)
    np.testing.assert_array_equal(np.load(tmp_path / "examples-000.npy"), IMAGES[rows])
    assert written.statistics is not None
    np.testing.assert_allclose(written.statistics.result()["mean"], IMAGES[rows].mean(axis=(0, 1, 2)) / 255)
    assert not list(tmp_path.glob("*.tmp-*"))


def test_batches_cover_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "BATCH_BYTES", 10)
    rows = np.arange(7)
    assert [rows[some].tolist() for some in batches(rows, 4)] == [[0, 1], [2, 3], [4, 5], [6]]
    assert [rows[some].tolist() for some in batches(rows, 100)] == [[row] for row in range(7)]
