"""The stage `prepare` in a Ray cluster that loses machines: the same bytes as on one machine."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

pytest.importorskip("ray")

from loses_machines import LosesMachines
from ray_cluster import RayCluster
from sprout.data.listing import Files, Listing, texts
from sprout.data.prepare import decode_all, stores
from sprout.data.prepare.prepare import prepare
from sprout.runtime.engine import Engine, LocalProcesses, RayTasks
from sprout.runtime.files import atomic_folder
from sprout.runtime.objects import SharedFolder
from test_prepare import bytes_of, settings_with

pytestmark = pytest.mark.slow
COUNT = 600
CLASSES = ["ant", "bee", "cat"]


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Listing:
    """JPEG files of three classes; two are damaged, and two look alike."""
    folder, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    coarse = generator.integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8)
    coarse[77] = coarse[76]
    names = [f"{CLASSES[row % 3]}/{row}.jpg" for row in range(COUNT)]
    for row, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(coarse[row]).resize((72 + row % 3, 72)).save(folder / name)
    (folder / names[5]).write_bytes(b"")
    (folder / names[500]).write_bytes((folder / names[500]).read_bytes()[:300])
    return Listing(
        Files(folder, texts(names)),
        pa.array(names),
        label=pa.array([CLASSES[row % 3] for row in range(COUNT)]),
        classes=CLASSES,
    )


def prepared(folder: Path, listing: Listing, engine: Engine, objects: SharedFolder | None = None) -> dict[str, bytes]:
    """The files of `prepare`, with several files of examples in each split."""
    with pytest.MonkeyPatch.context() as patch, atomic_folder(folder / "prepared") as made:
        patch.setattr(stores, "FEW_BYTES", -1)
        patch.setattr(stores, "SHARD_BYTES", 1_000_000)
        patch.setattr(decode_all, "part_length", lambda *_, here: 60)
        (folder / "parts").mkdir()
        prepare(listing, made, folder / "parts", settings_with(size=(64, 64), resize="fit"), engine, objects=objects)
    return bytes_of(folder / "prepared")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, listing: Listing) -> dict[str, bytes]:
    """What this machine alone makes."""
    return prepared(tmp_path_factory.mktemp("local"), listing, LocalProcesses())


def test_a_cluster_that_loses_machines_makes_the_same_bytes(
    cluster: RayCluster, tmp_path: Path, listing: Listing, expected: dict[str, bytes]
) -> None:
    engine = LosesMachines(cluster, tmp_path)
    found = prepared(tmp_path, listing, engine)
    assert found == expected
    assert len(engine.lost) == 2, "a machine was lost while images were decoded, and one while stores were written"
    assert "train/examples-000.npy" in found
    half_written = [*(tmp_path / "parts").glob("*/*.tmp-*")]
    assert len(half_written) == 1, "that of the process that was lost"


def test_a_cluster_writes_examples_to_a_shared_folder(
    cluster: RayCluster, tmp_path: Path, listing: Listing, expected: dict[str, bytes]
) -> None:
    shared = SharedFolder(str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    found = prepared(tmp_path, listing, RayTasks(cluster.address, None), shared)
    examples = {name for name in expected if name.endswith(".npy")}
    assert set(found) == set(expected) - examples
    for split in ("train", "val", "unlabelled", "test"):
        one, other = (json.loads(each[f"{split}/store.json"]) for each in (found, expected))
        assert one == other | {"store": shared.address}
    assert {each.name for each in shared.listed() if each.name.endswith(".npy")} == {
        f"{hashlib.sha256(expected[name]).hexdigest()}.npy" for name in examples
    }
