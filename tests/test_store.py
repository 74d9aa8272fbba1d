"""The store on disk: a round trip, with any number of shards."""

import hashlib
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sprout.data import store as store_module
from sprout.data import store_manifest
from sprout.data.store import LABELS, label_table, open_store, read_labels, write_labels
from sprout.data.store_writer import StoreWriter, write_store
from sprout.runtime import checksums
from sprout.runtime.checksums import sha256
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_folder
from sprout.runtime.objects import SharedFolder

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 4, 3, 2), dtype=np.uint8)
BYTES_EACH = 24


def table(n: int) -> pa.Table:
    rows = np.arange(n)
    return label_table(rows, rows % 3, source="given", group=rows, origin=[f"file:{row}" for row in rows])


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def of_files(folder: Path) -> str:
    """The checksum of a store as the command sha256sum would find it."""
    each = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.npy"))]
    return hashlib.sha256("".join(each).encode()).hexdigest()


def test_what_goes_in_comes_out(tmp_path):
    write_store(tmp_path / "new" / "folder", IMAGES, table(10))
    store = open_store(tmp_path / "new" / "folder")
    assert len(store) == 10
    assert store.shape == (4, 3, 2)
    np.testing.assert_array_equal(store.take(np.arange(10)), IMAGES)
    assert store.take(np.arange(10)).dtype == np.uint8
    assert store.labels.equals(table(10))
    assert store.checksum == of_files(tmp_path / "new" / "folder")


def test_rows_of_a_table_keep_their_type(tmp_path):
    features = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    write_store(tmp_path, features, table(7), shard_bytes=3 * 20)
    store = open_store(tmp_path)
    assert store.shape == (5,)
    assert store.take(np.arange(7)).dtype == np.float32
    np.testing.assert_array_equal(store.take(np.arange(7)), features)


@pytest.mark.parametrize("per_shard", [1, 3, 5, 9, 10, 100])
def test_shards_make_no_difference(tmp_path, per_shard):
    write_store(tmp_path / "one", IMAGES, table(10))
    write_store(tmp_path / "many", IMAGES, table(10), shard_bytes=per_shard * BYTES_EACH + BYTES_EACH - 1)
    one, many = open_store(tmp_path / "one"), open_store(tmp_path / "many")
    rows = np.diff(many.starts)
    assert len(rows) == -(-10 // per_shard)
    assert rows.max() <= per_shard
    assert (len(many), many.shape, many.checksum) == (len(one), one.shape, of_files(tmp_path / "many"))
    for rows in ([7, 0, 9, 2, 2, 7, 3], [5], [], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [4] * 20):
        rows = np.array(rows, np.int64)
        np.testing.assert_array_equal(many.take(rows), IMAGES[rows])
        np.testing.assert_array_equal(one.take(rows), IMAGES[rows])


def test_an_example_larger_than_a_shard_still_gets_one(tmp_path):
    write_store(tmp_path, IMAGES, table(10), shard_bytes=1)
    assert np.diff(open_store(tmp_path).starts).tolist() == [1] * 10


def test_opening_copies_nothing(tmp_path):
    write_store(tmp_path, IMAGES, table(10), shard_bytes=4 * BYTES_EACH)
    store = open_store(tmp_path)
    assert isinstance(store.shard(0).base, np.memmap)
    # What changes in the file is seen through the open store: it is the file.
    with (tmp_path / "examples-001.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(bytes([IMAGES[7, -1, -1, -1] ^ 255]))
    assert store.take(np.array([7]))[0, -1, -1, -1] == IMAGES[7, -1, -1, -1] ^ 255


def maps_of(folder: Path) -> int:
    """How many files of a folder this process has mapped."""
    return Path("/proc/self/maps").read_text().count(f"{folder}/examples-")


def test_files_are_mapped_when_they_are_used_and_few_at_a_time(tmp_path, monkeypatch):
    count = 3 * store_module.OPEN
    rows = np.arange(count)
    write_store(tmp_path, rows.astype(np.float32)[:, None], table(count), shard_bytes=4)
    opened = open_store(tmp_path)
    assert (len(opened), opened.shape, len(opened.starts), maps_of(tmp_path)) == (count, (1,), count + 1, 0)
    mixed = np.random.default_rng(0).permutation(count)
    np.testing.assert_array_equal(opened.take(mixed)[:, 0], mixed)
    assert maps_of(tmp_path) == store_module.OPEN
    loads, load = [], np.load
    monkeypatch.setattr(np, "load", lambda path, **how: loads.append(path.name) or load(path, **how))
    last = np.array([count - 1, count - 2])
    np.testing.assert_array_equal(opened.take(last)[:, 0], last)
    assert loads == []
    np.testing.assert_array_equal(opened.take(rows[:2])[:, 0], rows[:2])
    assert loads == ["examples-000.npy", "examples-001.npy"]
    del opened
    assert maps_of(tmp_path) == 0


def test_opening_again_opens_no_file_of_examples(tmp_path, monkeypatch):
    write_store(tmp_path / "a", IMAGES, table(10), shard_bytes=BYTES_EACH)
    monkeypatch.setattr(checksums, "VERIFIED", tmp_path / "marks")
    open_store(tmp_path / "a")
    opened = set()
    with watching(lambda path: opened.add(Path(path).name)):
        assert len(open_store(tmp_path / "a")) == 10
    assert opened == {"store.json"}  # the label table is opened by Arrow, which Python does not see


@contextmanager
def watching(seen):
    """Report the path of each file that Python opens; hooks cannot be removed, so this one is made to do nothing."""
    on = [True]
    sys.addaudithook(lambda event, args: seen(args[0]) if on[0] and event == "open" else None)
    yield
    on[0] = False


def test_rows_that_were_moved_to_another_file_are_noticed(tmp_path):
    write_store(tmp_path, IMAGES, table(10), shard_bytes=4 * BYTES_EACH)
    text = (tmp_path / "store.json").read_text()
    (tmp_path / "store.json").write_text(text.replace('"rows": 4', '"rows": 3', 1).replace('"rows": 2', '"rows": 3'))
    store = open_store(tmp_path)
    with pytest.raises(UserError, match=r"examples-000\.npy: damaged \(uint8 of shape \(4, 4, 3, 2\); store.json has"):
        store.take(np.arange(10))


def test_a_store_that_is_written_again_while_it_is_open_is_not_mixed_with_the_old_one(tmp_path):
    write_store(tmp_path / "a", IMAGES, table(10), shard_bytes=4 * BYTES_EACH)
    store = open_store(tmp_path / "a")
    store.take(np.array([0]))
    with atomic_folder(tmp_path / "a") as folder:
        write_store(folder, IMAGES[::-1], table(10), shard_bytes=4 * BYTES_EACH)
    np.testing.assert_array_equal(store.take(np.array([0])), IMAGES[:1])
    with pytest.raises(UserError, match="a: was written again while it was read"):
        store.take(np.array([9]))


class TestSharedFolder:
    """A store whose files are elsewhere, named by their SHA-256."""

    @pytest.fixture
    def shared(self, tmp_path):
        (tmp_path / "shared").mkdir()
        return SharedFolder(str(tmp_path / "shared"))

    @pytest.fixture
    def folder(self, tmp_path, shared):
        write(tmp_path / "val", shared)
        return tmp_path / "val"

    def test_the_folder_has_no_examples_and_the_same_checksum(self, tmp_path, shared, folder):
        write_store(tmp_path / "own", IMAGES, table(10), shard_bytes=4 * BYTES_EACH)
        assert {path.name for path in folder.iterdir()} == {"SHA256SUMS", "labels.parquet", "store.json"}
        own, elsewhere = open_store(tmp_path / "own"), open_store(folder)
        assert elsewhere.checksum == own.checksum
        assert elsewhere.labels.equals(own.labels)
        for rows in ([7, 0, 9, 2, 2], [], [5]):
            np.testing.assert_array_equal(elsewhere.take(np.array(rows, np.int64)), IMAGES[rows])
        names = {f"{sha256(path)}.npy" for path in (tmp_path / "own").glob("*.npy")}
        assert {path.name for path in Path(shared.address).iterdir()} == names
        assert json.loads((folder / "store.json").read_text())["store"] == shared.address

    def test_equal_files_are_there_once(self, tmp_path, shared, folder):
        write(tmp_path / "again", shared)
        assert len(list(shared.listed())) == 3

    def test_opening_looks_at_no_file_and_using_one_at_that_alone(self, shared, folder):
        others = json.loads((folder / "store.json").read_text())["shards"][1:]
        for each in others:
            shared.path(each["sha256"]).unlink()
        store = open_store(folder)
        np.testing.assert_array_equal(store.take(np.arange(4)), IMAGES[:4])
        with pytest.raises(UserError, match=rf"{others[0]['sha256']}.npy: not there; `dvc repro -fs prepare`"):
            store.take(np.array([4]))

    def test_damage_is_noticed_when_a_file_is_used(self, shared, folder):
        last = json.loads((folder / "store.json").read_text())["shards"][-1]["sha256"]
        store = open_store(folder)
        flip(shared.path(last), -1)(folder)
        np.testing.assert_array_equal(store.take(np.arange(8)), IMAGES[:8])
        with pytest.raises(UserError, match=rf"{last}.npy: damaged or changed: "):
            store.take(np.array([9]))

    def test_another_address_is_refused(self, folder):
        replace_in("store.json", b'"store": "', b'"store": "nowhere')(folder)
        with pytest.raises(UserError, match=r"store.json: damaged \(accepted: the absolute path of a folder"):
            open_store(folder)

    def test_one_that_is_removed_before_it_is_mapped_is_searched_for_again(self, folder, monkeypatch):
        found, file = [], SharedFolder.file

        def removed_at_first(self, sha256):
            found.append(file(self, sha256))
            return found[-1].with_name("removed") if len(found) == 1 else found[-1]

        monkeypatch.setattr(SharedFolder, "file", removed_at_first)
        np.testing.assert_array_equal(open_store(folder).take(np.array([3])), IMAGES[[3]])
        assert len(found) == 2


def write(folder: Path, objects: SharedFolder) -> None:
    """Write a store of three files whose examples go elsewhere."""
    with StoreWriter(folder, 10, (4, 3, 2), "uint8", 4 * BYTES_EACH, objects) as writer:
        writer.append(IMAGES)
        writer.close(table(10))


@pytest.mark.parametrize("shard_bytes", [4 << 30, 3 * BYTES_EACH])
def test_what_is_taken_is_an_own_copy(tmp_path, shard_bytes):
    write_store(tmp_path, IMAGES, table(10), shard_bytes=shard_bytes)
    store = open_store(tmp_path)
    taken = store.take(np.array([1, 2]))
    taken[:] = 0
    np.testing.assert_array_equal(store.take(np.array([1, 2])), IMAGES[1:3])


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_store(tmp_path / name, IMAGES, table(10), shard_bytes=4 * BYTES_EACH)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    other = IMAGES.copy()
    other[9, 0, 0, 0] ^= 1
    write_store(tmp_path / "c", other, table(10), shard_bytes=4 * BYTES_EACH)
    assert open_store(tmp_path / "c").checksum != open_store(tmp_path / "a").checksum


def test_memory_layout_does_not_show(tmp_path):
    """A view with other strides is the same data."""
    write_store(tmp_path / "a", IMAGES, table(10))
    write_store(tmp_path / "b", np.asfortranarray(IMAGES), table(10))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_an_empty_store_opens(tmp_path):
    write_store(tmp_path, IMAGES[:0], table(0))
    store = open_store(tmp_path)
    assert (len(store), store.shape, store.labels.num_rows) == (0, (4, 3, 2), 0)
    assert store.take(np.zeros(0, np.int64)).shape == (0, 4, 3, 2)


def test_the_description_says_what_is_there(tmp_path):
    write_store(tmp_path, IMAGES, table(10))
    described = json.loads((tmp_path / "store.json").read_text(encoding="utf-8"))
    shards = [{"rows": 10, "sha256": sha256(tmp_path / "examples-000.npy")}]
    expected = {"examples": 10, "shape": [4, 3, 2], "dtype": "uint8", "sha256": of_files(tmp_path), "store": None}
    assert described == expected | {"shards": shards}


def remove(name):
    return lambda folder: (folder / name).unlink()


def cut(name, size):
    def damage(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:size])

    return damage


def flip(name, at):
    def damage(folder):
        data = bytearray((folder / name).read_bytes())
        data[at] ^= 1
        (folder / name).write_bytes(data)

    return damage


def replace_in(name, old, new):
    def damage(folder):
        data = (folder / name).read_bytes()
        assert old in data
        (folder / name).write_bytes(data.replace(old, new))

    return damage


def pickled(folder):
    np.save(folder / "examples-001.npy", np.array([{}], object), allow_pickle=True)


def without_checksum(folder):
    (folder / "store.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (remove("examples-000.npy"), "examples-000.npy: damaged (not there)"),
        (remove("examples-002.npy"), "examples-002.npy: damaged (not there)"),
        (remove("labels.parquet"), "no prepared examples"),
        (remove("store.json"), "no prepared examples"),
        (cut("examples-001.npy", -5), "damaged"),
        (cut("examples-001.npy", 20), "damaged"),
        (cut("examples-001.npy", 0), "damaged"),
        (cut("labels.parquet", 100), "damaged"),
        (cut("labels.parquet", 0), "damaged"),
        (cut("store.json", 20), "damaged"),
        (without_checksum, "damaged ('shards')"),
        (pickled, "damaged"),
        (flip("examples-001.npy", -3), "examples-001.npy: damaged (its SHA-256 is"),
        (replace_in("examples-001.npy", b"|u1", b"|i1"), "examples-001.npy: damaged (its SHA-256 is"),
        (replace_in("store.json", b'"sha256": "', b'"sha256": "0'), "not that of the files it lists"),
        (replace_in("store.json", b'"rows": 4', b'"rows": 5'), "not that of the files it lists"),
        (replace_in("store.json", b'"sha256"', b'"sha255"'), "damaged"),
        (replace_in("store.json", b"uint8", b"uint4"), "damaged"),
        (lambda folder: write_labels(folder, table(9)), "9 rows of labels for 10 examples"),
    ],
)
def test_a_broken_store_is_refused_by_its_folder(tmp_path, damage, says):
    write_store(tmp_path / "val", IMAGES, table(10), shard_bytes=4 * BYTES_EACH)
    damage(tmp_path / "val")
    with pytest.raises(UserError) as refused:
        open_store(tmp_path / "val")
    message = str(refused.value)
    assert message.startswith(str(tmp_path / "val"))
    assert says in message
    assert "dvc repro" in message
    assert "\n" not in message


def test_a_change_is_noticed_though_the_store_was_opened_before(tmp_path):
    write_store(tmp_path, IMAGES, table(10), shard_bytes=4 * BYTES_EACH)
    assert len(open_store(tmp_path)) == 10
    flip("examples-002.npy", -1)(tmp_path)
    with pytest.raises(UserError, match=r"examples-002\.npy: damaged"):
        open_store(tmp_path)
    flip("examples-002.npy", -1)(tmp_path)
    assert len(open_store(tmp_path)) == 10


def test_examples_are_compared_once_for_each_change_of_time_or_size(tmp_path, monkeypatch):
    write_store(tmp_path / "a", IMAGES, table(10), shard_bytes=4 * BYTES_EACH)
    marks = tmp_path / "marks"
    monkeypatch.setattr(checksums, "VERIFIED", marks)
    open_store(tmp_path / "a")
    (mark,) = marks.rglob("*-*")
    reads = []
    monkeypatch.setattr(store_manifest, "sha256", lambda path: reads.append(path.name) or sha256(path))
    open_store(tmp_path / "a")
    assert (reads, [*marks.rglob("*-*")]) == ([], [mark])
    os.utime(tmp_path / "a/examples-001.npy", ns=(0, 0))
    open_store(tmp_path / "a")
    assert sorted(reads) == [f"examples-00{number}.npy" for number in range(3)]
    assert len([*marks.rglob("*-*")]) == 1
    assert not mark.exists()


def test_each_damaged_byte_of_a_label_table_is_noticed_or_without_effect(tmp_path):
    write_labels(tmp_path, table(50))
    content = (tmp_path / "labels.parquet").read_bytes()
    noticed = 0
    for at in range(0, len(content), 7):
        flip("labels.parquet", at)(tmp_path)
        try:
            assert read_labels(tmp_path).equals(table(50))
        except UserError:
            noticed += 1
        (tmp_path / "labels.parquet").write_bytes(content)
    assert noticed > 50


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere: no prepared examples here"):
        open_store(tmp_path / "nowhere")


def test_label_table(tmp_path):
    given = label_table(
        np.array([4, 2]), [1, None], source="pseudo", group=np.array([7, 8]), origin=["a", "b"], round_=3
    )
    write_labels(tmp_path / "new", given)
    back = read_labels(tmp_path / "new")
    assert back.schema.equals(LABELS)
    both = {"value": None, "source": "pseudo", "confidence": 1, "weight": 1, "round": 3, "fold": None}
    assert back.to_pylist() == [
        {"row": 4, "label": 1, "group": 7, "origin": "a"} | both,
        {"row": 2, "label": None, "group": 8, "origin": "b"} | both,
    ]


def test_label_table_keeps_confidences(tmp_path):
    sure = label_table(
        np.arange(2),
        np.array([0, 1]),
        source="pseudo",
        group=np.arange(2),
        origin=["a", "b"],
        confidence=np.array([0.75, 0.5]),
    )
    assert sure["confidence"].to_pylist() == [0.75, 0.5]


def test_label_tables_have_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_labels(tmp_path / name, table(50))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


@pytest.mark.slow
def test_more_than_2_gib_of_text_is_taken_row_by_row(tmp_path):
    """Offsets of 32 bits end there: the text of later rows was that of others, or the process died."""
    rows, mebibyte = np.arange(11), "x" * 2**20
    given = label_table(rows, rows % 3, source="given", group=rows, origin=[f"{row:04}{mebibyte}" for row in rows])
    write_store(tmp_path, np.zeros((11, 1), np.float32), given)
    often = np.tile(rows, 200)
    taken = open_store(tmp_path).part(often).columns("origin")["origin"]
    assert taken.nbytes > 2**31
    assert [taken[row].as_py()[:4] for row in (0, 10, 1100, 2199)] == ["0000", "0010", "0000", "0010"]
    pseudo = label_table(often, often, source="pseudo", group=often, origin=taken.combine_chunks())
    assert pseudo["origin"][2199].as_py()[:4] == "0010"
