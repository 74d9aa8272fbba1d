"""Ranks of one training are started together and end together."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from sprout.runtime import launch
from sprout.runtime.cluster_environment import RAY_VARIABLES, prepare_for_ray, received_environment
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.launch import available_devices, check_world_size, is_rank, rank, start_worker, started_as_ranks
from sprout.runtime.ranks import describe
from sprout.runtime.signals import exit_codes
from warm_python import warm_python

SCRIPT = """
import os, sys, time
from pathlib import Path
from sprout.runtime.errors import UserError
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.launch import rank, started_as_ranks
from sprout.runtime.stage import run_stage

def main():
    if started_as_ranks(2, 1, LocalProcesses().run_nodes):
        return
    Path(f"rank{rank()}").write_text(str(os.getpid()))
    if sys.argv[1] == "fault" and rank() == 1:
        sys.exit(7)
    if sys.argv[1] == "mistake":
        raise UserError("lr=-1: should be greater than 0")
    time.sleep(300 if sys.argv[1] == "sleep" else 0)

run_stage(main)
"""


def start(folder: Path, what: str, python: str = sys.executable) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(SCRIPT)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
    env = kept | {"PYTHONPATH": str(Path("src").absolute())}
    pipe = subprocess.PIPE
    command = [python, "script.py", what]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True)


def wait_for_ranks(folder: Path) -> None:
    end = time.monotonic() + 120
    while not all((folder / f"rank{number}").exists() for number in range(2)):
        assert time.monotonic() < end, "the ranks did not start"
        time.sleep(0.1)


@pytest.mark.slow
def test_each_rank_runs_the_command_once(tmp_path: Path) -> None:
    process = start(tmp_path, "work", warm_python())
    printed = process.communicate(timeout=200)
    assert process.returncode == 0, printed
    assert {path.name for path in tmp_path.glob("rank*")} == {"rank0", "rank1"}


@pytest.mark.slow
def test_a_user_error_in_a_rank_ends_the_command_with_its_message(tmp_path: Path) -> None:
    process = start(tmp_path, "mistake", warm_python())
    printed = process.communicate(timeout=200)[1]
    assert process.returncode == 2
    assert printed.splitlines()[-1] == "error: lr=-1: should be greater than 0"


@pytest.mark.slow
def test_ranks_end_with_the_stage_that_was_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep")
    wait_for_ranks(tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 3
    process.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    process.communicate()
    assert alive == []


@pytest.mark.slow
def test_ranks_end_with_the_stage_that_was_asked_to(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep")
    wait_for_ranks(tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.communicate(timeout=100)
    assert process.returncode == 143
    assert psutil.wait_procs(children, timeout=1)[1] == []


@pytest.mark.slow
def test_the_death_of_a_rank_is_said_in_one_line(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep")
    wait_for_ranks(tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(int((tmp_path / "rank1").read_text()), signal.SIGKILL)
    said = process.communicate(timeout=100)[1].splitlines()
    assert process.returncode == 1
    assert [line for line in said if not line.startswith("process 0: ")] == [
        "error: process 1 of the training was killed by SIGKILL (as the kernel does when memory runs out); "
        "the same command resumes from the last checkpoint"
    ]
    assert psutil.wait_procs(children, timeout=5)[1] == []


@pytest.mark.slow
def test_the_exit_code_of_a_rank_is_said(tmp_path: Path) -> None:
    process = start(tmp_path, "fault", warm_python())
    said = process.communicate(timeout=100)[1].splitlines()
    assert process.returncode == 1
    assert said[-1].startswith("error: process 1 of the training has ended with exit code 7; ")
    assert len(said) == 1


def failure(exitcode: int, timestamp: int) -> ProcessFailure:
    made = ProcessFailure(0, 1, exitcode, "none")
    made.timestamp = timestamp
    return made


@pytest.mark.parametrize(
    ("failures", "says"),
    [
        ({0: (1, 5), 1: (-9, 5)}, "process 1 of the training was killed by SIGKILL ("),
        ({0: (1, 4), 1: (-11, 5)}, "process 1 of the training was killed by SIGSEGV; "),
        ({0: (143, 5), 1: (1, 4)}, "process 1 of the training has ended with exit code 1; "),
        ({0: (1, 5), 1: (1, 5)}, "process 0 of the training has ended with exit code 1; "),
    ],
)
def test_the_first_cause_is_said(failures: dict[int, tuple[int, int]], says: str) -> None:
    assert describe({rank: failure(*found) for rank, found in failures.items()}).startswith(says)


@pytest.mark.parametrize(
    ("error", "ranked", "lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:544] Connection closed by peer [::1]:1"), True, True),
        (RuntimeError("NCCL error: ncclRemoteError: A call failed"), True, True),
        (RuntimeError("Connection closed by peer"), False, False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), True, False),
        (ValueError("Connection closed by peer"), True, False),
    ],
)
def test_only_a_rank_loses_others(
    error: Exception, ranked: bool, lost: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("RANK", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    if ranked:
        monkeypatch.setenv("RANK", "3")
    with pytest.raises(SystemExit if lost else type(error)), exit_codes():
        raise error
    assert capsys.readouterr().err == ("process 3: has lost the connection to another process\n" if lost else "")


def test_several_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"train\.nodes=2: .*torchrun or SLURM"):
        started_as_ranks(1, 2, LocalProcesses().run_nodes)


def test_one_device_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert started_as_ranks(1, 1, LocalProcesses().run_nodes) is False


@pytest.mark.parametrize(
    "given", [{"RANK": "1", "WORLD_SIZE": "2"}, {"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}], ids=["torchrun", "slurm"]
)
def test_a_rank_knows_its_place(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert is_rank()
    assert rank() == 1
    assert started_as_ranks(2, 1, LocalProcesses().run_nodes) is False
    assert started_as_ranks(1, 2, LocalProcesses().run_nodes) is False


@pytest.mark.parametrize(
    "given", [{"RANK": "1", "WORLD_SIZE": "4"}, {"SLURM_NTASKS": "4", "SLURM_PROCID": "1"}], ids=["torchrun", "slurm"]
)
def test_more_ranks_than_devices_are_refused(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would train by itself, into the same folder."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"^train\.devices=2, train\.nodes=1: \w+=4 .* 2$"):
        started_as_ranks(2, 1, LocalProcesses().run_nodes)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine with three GPUs, on which no rank has been started."""
    for name in ("RANK", "WORLD_SIZE", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    found = ["0", "1", "2"]
    monkeypatch.setattr(launch, "visible_gpus", lambda: found)
    return found


@pytest.mark.parametrize(("accelerator", "devices"), [("auto", 3), ("cuda", 3), ("cpu", 1), ("mps", 1)])
def test_the_available_devices_are_those_of_the_accelerator(gpus: list[str], accelerator: str, devices: int) -> None:
    assert available_devices(accelerator, 1) == devices


def test_without_a_gpu_there_is_one_process(gpus: list[str]) -> None:
    gpus.clear()
    assert available_devices("auto", 1) == 1
    assert started_as_ranks(available_devices("auto", 1), 1, LocalProcesses().run_nodes) is False


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_NTASKS"])
def test_a_rank_takes_the_devices_that_were_started(
    gpus: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SLURM_NTASKS" if name == "SLURM_NTASKS" else "RANK", "4")
    monkeypatch.setenv(name, "4")
    assert available_devices("cpu", 2) == 2
    check_world_size(available_devices("auto", 1), 1)


WORKER = """
import os, socket, sys
from sprout.runtime.launch import pop_parent_pid
socket.socket(fileno=int(sys.argv[1])).send(f"{pop_parent_pid()} {os.environ['CUDA_VISIBLE_DEVICES']}".encode())
print("PARENT_PID" in os.environ)
"""


def test_a_worker_knows_its_parent_its_gpus_and_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker_of_test.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    near, far = socket.socketpair()
    with near, far:
        process = start_worker("worker_of_test", far.fileno(), tmp_path / "log", ["3", "GPU-5ce1"])
        assert near.recv(100).decode() == f"{os.getpid()} 3,GPU-5ce1"
        assert process.wait(60) == 0
    assert (tmp_path / "log").read_text() == "False\n", "its own children do not take it for theirs"


def test_no_other_modules_touch_the_environment_variables_of_processes() -> None:
    names = "PARENT_PID|STAGE_PID|RANK_ERROR|WORLD_SIZE|SLURM_\\w+|CUDA_VISIBLE_DEVICES|PYTHONPATH"
    modules = [
        path.name for path in Path("src").rglob("*.py") if re.search(rf"[\"'](?:{names}|RANK)[\"']", path.read_text())
    ]
    assert sorted(modules) == ["cluster_environment.py", "launch.py"]


def test_gloo_uses_the_interface_at_which_other_machines_reach_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert received_environment({"A": "b"}, "127.0.0.1") == {"A": "b", "GLOO_SOCKET_IFNAME": "lo"}
    assert received_environment({}, "192.0.2.77") == {}
    chosen = {"GLOO_SOCKET_IFNAME": "ib0"}
    assert received_environment(chosen, "127.0.0.1") == chosen


def test_what_is_set_for_ray_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "RAY_grpc_client_keepalive_time_ms"
    monkeypatch.setattr(os, "environ", {name: "8000"})
    prepare_for_ray()
    assert os.environ == {**RAY_VARIABLES, name: "8000"}
    assert int(RAY_VARIABLES[name]) > 60_000, "Ray's servers end a connection that asks each minute"
