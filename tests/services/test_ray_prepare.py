"""The stage `prepare` in a Ray cluster that loses machines: the same bytes as on one machine."""

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

pytest.importorskip("ray")

from ray_cluster import RayCluster
from sprout.data.listing import Files, Listing, texts
from sprout.data.prepare import decode_all, stores
from sprout.data.prepare.prepare import prepare
from sprout.runtime.engine import Engine, LocalProcesses, RayTasks
from sprout.runtime.files import atomic_folder
from tasks_of_tests import held
from test_prepare import bytes_of, settings_with

pytestmark = pytest.mark.slow
T = TypeVar("T")
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


def prepared(folder: Path, listing: Listing, engine: Engine) -> dict[str, bytes]:
    """The files of `prepare`, with several files of examples in each split."""
    with pytest.MonkeyPatch.context() as patch, atomic_folder(folder / "prepared") as made:
        patch.setattr(stores, "FEW_BYTES", -1)
        patch.setattr(stores, "SHARD_BYTES", 1_000_000)
        patch.setattr(decode_all, "part_length", lambda *_, here: 60)
        (folder / "parts").mkdir()
        prepare(listing, made, folder / "parts", settings_with(size=(64, 64), resize="fit"), engine)
    return bytes_of(folder / "prepared")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, listing: Listing) -> dict[str, bytes]:
    """What this machine alone makes."""
    return prepared(tmp_path_factory.mktemp("local"), listing, LocalProcesses())


@dataclass
class LosesMachines:
    """An engine that loses a machine in each phase, while it writes a file."""

    cluster: RayCluster
    folder: Path
    lost: list[int] = field(default_factory=list)
    """The processes that were in the middle of a file when their machine was lost."""

    def run_in_order(self, tasks: Iterator[partial[T]]) -> Generator[T]:
        started, go = self.folder / f"started-{len(self.lost)}", self.folder / f"go-{len(self.lost)}"
        started.mkdir()
        node = self.cluster.add()

        def lose() -> None:
            self.lost += self.cluster.kill_in_task(node, started)
            go.touch()

        thread = threading.Thread(target=lose)
        thread.start()
        engine = RayTasks(self.cluster.address, None)
        yield from engine.run_in_order(partial(held, task, str(started), str(go)) for task in tasks)
        thread.join()


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
