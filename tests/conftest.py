"""Shared fixtures."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from commands import Ended
from composing import patch_hydra
from sprout.cli import main
from sprout.data.shards import SHARD_BYTES
from sprout.data.store import Store, label_table, open_store
from sprout.data.store_writer import write_store
from workspaces import commit_all, new_project, run

# Before torch is imported: one thread, since tests may share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell lets what it runs in the background ignore SIGINT, and nohup SIGHUP; what the tests start would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that the processes that share the files end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: an archive has times in it, and two processes would name a test differently."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def quick_compositions() -> Iterator[None]:
    """Hydra composes the same config once."""
    with pytest.MonkeyPatch.context() as patch:
        patch_hydra(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def marks_of_verified_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stores that tests open leave nothing in the working folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sprout.runtime.checksums.VERIFIED", tmp_path_factory.mktemp("verified"))
        yield


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    """Write and open a store of random images: `make_store(n)`; labels count through the classes."""

    def make(
        n: int,
        *,
        name: str = "store",
        shape: tuple[int, ...] = (8, 8, 1),
        labels: Any = None,
        classes: int = 3,
        seed: int = 0,
        shard_bytes: int = SHARD_BYTES,
    ) -> Store:
        examples = np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)
        rows = np.arange(n)
        table = label_table(
            rows,
            rows % classes if labels is None else labels,
            source="given",
            group=rows + 1000,
            origin=[f"{name}:{row}" for row in rows],
        )
        write_store(tmp_path / name, examples, table, shard_bytes)
        return open_store(tmp_path / name)

    return make


@pytest.fixture(scope="session")
def prepared_project(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A copy of the project with prepared data, committed; made once for all test processes, and only to be copied.

    It has a tracking store without runs.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    project = shared / "prepared" / "project"
    with FileLock(shared / "prepared.lock"):
        if not project.exists():
            made = new_project(shared / "preparing" / "project")
            run(made, "dvc", "repro", "--quiet", "augment", "pretrained")
            shutil.copy(empty_store, made / "mlruns/mlflow.db")
            commit_all(made)
            made.parent.rename(project.parent)
    return project


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking store without runs, created once, which takes seconds."""
    from sprout.tracking.connection import connect

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{file}")
    return file


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Path:
    """A workspace with an empty tracking store."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_store, tmp_path / "mlruns" / "mlflow.db")
    return tmp_path


@pytest.fixture(autouse=True)
def outlives_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that a test runs in its own process ends with `SystemExit`."""
    monkeypatch.setattr("sprout.runtime.signals.leave", sys.exit)


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """Undo what the command line does to the signals of its process."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    handlers = [signal.getsignal(each) for each in signals]
    yield
    for each, handler in zip(signals, handlers, strict=True):
        signal.signal(each, handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with this project's `conf/` and a plain `params.yaml`, as the working folder."""
    shutil.copytree(Path(__file__).parents[1] / "conf", tmp_path / "conf")
    (tmp_path / "params.yaml").write_text("experiment: digits\noverrides: []\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sprout(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the command `sprout` in this process."""

    def run(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sprout", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run
