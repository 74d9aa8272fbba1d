"""The workers of a sweep, as the supervisor sees them: their resources, and that none remains."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sprout.runtime.errors import UserError
from sprout.sweep.workers import LocalWorker, divide_gpus, divide_threads, end_workers


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("sprout.runtime.launch.GPU_DRIVERS", ("/dev/null",))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)


@pytest.mark.usefixtures("four_gpus")
def test_each_worker_has_gpus_of_its_own() -> None:
    assert divide_gpus(3, "auto", 1) == [["0"], ["1"], ["2"]]
    assert divide_gpus(2, "cuda", 2) == [["0", "1"], ["2", "3"]]


@pytest.mark.usefixtures("four_gpus")
def test_gpus_keep_the_names_in_cuda_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,GPU-5ce1,MIG-0a9b")
    assert divide_gpus(3, "auto", 1) == [["7"], ["GPU-5ce1"], ["MIG-0a9b"]]


@pytest.mark.usefixtures("four_gpus")
def test_more_workers_than_gpus_are_refused() -> None:
    with pytest.raises(UserError, match=r"sweep\.workers=3 .*train\.devices=2.* 4 GPUs.* up to 2"):
        divide_gpus(3, "auto", 2)


@pytest.mark.usefixtures("four_gpus")
def test_workers_on_the_cpu_are_given_no_gpu() -> None:
    assert divide_gpus(6, "cpu", 1) == [None] * 6


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch tells whether there is a GPU")
def test_the_supervisor_imports_nothing_heavy() -> None:
    """A sweep begins seconds earlier without torch and scikit-learn, which only its workers need."""
    code = (
        "import sys, sprout.sweep.command; from sprout.runtime import launch; launch.GPU_DRIVERS = (); "
        "assert launch.visible_gpus() == []; sys.exit(str({'torch', 'sklearn', 'mlflow'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_without_gpus_there_is_nothing_to_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sprout.runtime.launch.GPU_DRIVERS", ("/dev/null",))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert divide_gpus(2, "auto", 1) == [None, None]


@pytest.mark.parametrize(("workers", "requested", "threads"), [(1, 0, 4), (2, 0, 2), (2, 1, 1), (1, 9, 4), (9, 0, 1)])
def test_the_cores_are_divided(monkeypatch: pytest.MonkeyPatch, workers: int, requested: int, threads: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert divide_threads(workers, requested) == threads


def test_a_worker_sees_its_gpus_and_ends_when_its_socket_closes(tmp_path: Path) -> None:
    worker = LocalWorker(tmp_path / "log", ["GPU-5ce1"])
    assert worker.receive() == {"event": "ready"}
    worker.ready = True
    assert psutil.Process(worker.process.pid).environ()["CUDA_VISIBLE_DEVICES"] == "GPU-5ce1"
    end_workers([worker], busy=[])
    assert worker.process.returncode == 0


def test_a_worker_that_still_starts_is_ended(tmp_path: Path) -> None:
    worker = LocalWorker(tmp_path / "log", None)
    end_workers([worker], busy=[])
    assert worker.process.returncode in (-15, 143)


def test_nothing_is_left_of_the_tree_of_a_worker_that_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is played by a shell that has started another process."""
    shell = tmp_path / "shell"
    shell.write_text(
        f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/child.new\nmv {tmp_path}/child.new {tmp_path}/child\nwait\n"
    )
    shell.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(shell))
    worker = LocalWorker(tmp_path / "log", None)
    while not (tmp_path / "child").exists():
        time.sleep(0.01)
    child = psutil.Process(int((tmp_path / "child").read_text()))
    worker.process.kill()
    assert worker.receive() is None
    assert worker.wait() == "by SIGKILL"
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running()
