"""Starting processes and the environment variables they are started with.

This is the only module that sets or reads these variables, with `cluster_environment` for those of a cluster.

| variable | set by | meaning for the process that reads it |
|---|---|---|
| PARENT_PID | `dvc.yaml` for a stage, `start_worker` | end when this process has ended (`signals.die_with_parent`) |
| STAGE_PID | `environment_of_ranks`, `start_server` | what started the launcher of this one: end when it has ended |
| TORCH_CPP_LOG_LEVEL | `environment_of_ranks`, unless set | what the C++ part of torch prints |
| RANK_ERROR | `environment_of_ranks` | the file that takes the message of a `UserError` |
| RANK, WORLD_SIZE | torchrun | this process is one rank of a training on several devices |
| SLURM_PROCID, SLURM_NTASKS | SLURM | the same |
| OMP_NUM_THREADS | `environment_of_ranks`, unless set | threads until the training sets its own number |
| CUDA_VISIBLE_DEVICES | the user, Ray, `start_worker` | the GPUs that may be used |
| DVC_ROOT | DVC | the main workspace: `--temp` and `--queue` run a stage in a copy of it |
| PYTHONPATH | `dvc.yaml` and the functions here that start processes | where `sprout` is imported from |
| ATEN_CPU_CAPABILITY, … | `use_variables`, the user | the CPU kernels of libraries, see `cpu_kernels` |

Processes that decode images need none of them: `process_pool` starts them by `multiprocessing`.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from sprout.runtime.errors import UserError

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg", "/dev/kfd")
"""The devices of the drivers for GPUs on Linux: NVIDIA's on PCs and on Jetson, Windows' under WSL, AMD's."""
LOST = re.compile("Connection (closed|reset) by peer|gloo.transport|Broken pipe|ncclRemoteError|ncclSystemError")
"""What the backends of torch's communication say of a process that has ended."""
RANKS = (sys.executable, "-m", "sprout.runtime.ranks")
"""The command that starts ranks; torchrun's options follow, then theirs."""
KILLED = 75
"""Its exit code where a signal has killed a rank: another try may go well (`EX_TEMPFAIL` of sysexits.h)."""
SOURCES = Path(__file__).parents[2]
"""The folder that holds the package."""


def is_rank() -> bool:
    """Whether torchrun or SLURM has started this process as one of several."""
    return "RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", "1")) > 1


def rank() -> int:
    """Return the global rank of this process; 0 without ranks. Only rank 0 writes files."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


def pop_parent_pid() -> int:
    """Return the pid of the process that this one must not outlive, and hide it from children of this process.

    It may have ended during the imports of this process, whose parent is then another one.
    """
    return int(os.environ.pop("PARENT_PID", "") or os.getppid())


def stage_pid() -> int | None:
    """Return the pid of the process that started the launcher of this rank; None if this is not one of its ranks."""
    pid = os.environ.get("STAGE_PID")
    return int(pid) if pid else None


def report_rank_error(message: str) -> None:
    """Hand the message of a `UserError` to the process that started the ranks; does nothing elsewhere."""
    if path := os.environ.get("RANK_ERROR"):
        Path(path).write_text(message, encoding="utf-8")


def has_rank_error() -> bool:
    """Whether a rank has handed over its message."""
    path = os.environ.get("RANK_ERROR")
    return path is not None and Path(path).exists()


def has_lost_others(error: Exception) -> bool:
    """Whether a rank fails because another one has ended, as torch's communication reports it."""
    return is_rank() and isinstance(error, RuntimeError) and LOST.search(str(error)) is not None


def python_path(sources: Path = SOURCES) -> str:
    """Where Python processes that this one starts import from: this very package, or another copy, before all else."""
    return os.pathsep.join(filter(None, [str(sources), os.environ.get("PYTHONPATH")]))


def imports_from(sources: Path) -> dict[str, str]:
    """The variable of a process that imports the package in another folder."""
    return {"PYTHONPATH": python_path(sources)}


def use_variables(variables: Mapping[str, str]) -> None:
    """Start this process anew, unless it has these variables: libraries read them when they are loaded."""
    if all(os.environ.get(name) == value for name, value in variables.items()):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, command, {**os.environ, **variables})  # noqa: S606 (this very command)


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, by their names in CUDA_VISIBLE_DEVICES or their indices."""
    if sys.platform == "linux" and not any(map(os.path.exists, GPU_DRIVERS)):
        return []  # at once: importing torch takes seconds
    import torch

    if not torch.cuda.is_available():
        return []
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()  # CUDA takes the names up to the first one that it does not know
    return names.split(",")[:count] if names else [str(index) for index in range(count)]


def available_devices(accelerator: str, nodes: int) -> int:
    """Return how many devices of this machine train together where the number is not set: at least 1.

    A rank takes what torchrun or SLURM has started; otherwise these are all GPUs, and one process on a CPU or on mps.
    """
    if is_rank():
        return max(1, int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1"))) // nodes)
    return max(1, len(visible_gpus())) if accelerator in ("auto", "cuda") else 1


def started_as_ranks(devices: int, nodes: int, run_nodes: Callable[[int, int, Sequence[str]], int]) -> bool:
    """Run the current command once per device and wait for all of the processes.

    Args:
        devices: of each machine.
        nodes: machines.
        run_nodes: starts the processes of several machines, see `engine.Engine`.

    Returns:
        False, at once, where there is nothing to start: one device, or this process is a rank itself.

    Raises:
        UserError: a rank raised it (its message is passed on), the engine has no further machine, or torchrun or
            SLURM have started another number of processes than there are devices.
        SystemExit: a rank failed otherwise; with the exit code of the launcher.
        Killed: a signal asked this process to end; the ranks have ended.
    """
    if is_rank():
        check_world_size(devices, nodes)
        return False
    if nodes == devices == 1:
        return False
    if code := run_ranks(devices, sys.argv) if nodes == 1 else run_nodes(nodes, devices, sys.argv):
        sys.exit(code)
    return True


def check_world_size(devices: int, nodes: int) -> None:
    """Check that there is one rank per device: with more, each group would train alone into the same folder."""
    name = "WORLD_SIZE" if "RANK" in os.environ else "SLURM_NTASKS"
    size = os.environ.get(name)
    if size is not None and int(size) != devices * nodes:
        raise UserError(
            f"train.devices={devices}, train.nodes={nodes}: {name}={size} processes were started; accepted: one per "
            f"device of all nodes, {devices * nodes}"
        )


def run_ranks(devices: int, command: Sequence[str]) -> int:
    """Run a Python command once per device by torchrun; return its exit code.

    torchrun starts all ranks alike, ends them together and leaves none behind; Lightning's own launcher would run the
    whole command again for each of them.

    Raises:
        UserError: a rank raised it; its message is passed on.
        Killed: a signal asked this process to end; the ranks have ended.
    """
    launcher = [*RANKS, "--standalone", f"--nproc-per-node={devices}"]
    with TemporaryDirectory() as scratch:
        message = Path(scratch) / "error"
        process = subprocess.Popen([*launcher, *command], env=environment_of_ranks(os.environ, message))
        try:
            code = process.wait()
        except BaseException:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
        if message.exists():
            raise UserError(message.read_text(encoding="utf-8"))
    return 1 if code == KILLED else code


def environment_of_ranks(base: Mapping[str, str], message: Path) -> dict[str, str]:
    """The variables of the launcher of ranks, which end with this process.

    Args:
        base: other variables.
        message: the file that takes the message of a `UserError`.
    """
    protocol = {"STAGE_PID": str(os.getpid()), "RANK_ERROR": str(message), "PYTHONPATH": python_path()}
    # Without a number of threads torchrun would set 1 and print a warning; the C++ part of torch warns of each
    # connection that a process has closed by its end.
    quiet = {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    return {**quiet, **base, **protocol}


def start_server(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a server whose processes end with this one, if they call `signals.die_with_parent`.

    Args:
        command: its program and arguments.
        environment: its variables.
        log: the file that takes its output.
    """
    protocol = {"STAGE_PID": str(os.getpid()), "PYTHONPATH": python_path()}
    with log.open("wb") as output:
        return subprocess.Popen(command, env={**environment, **protocol}, stdout=output, stderr=subprocess.STDOUT)


def start_worker(
    module: str,
    socket: int,
    log: Path,
    gpus: Sequence[str] | None,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a Python module as a process that ends with this one.

    It has a session of its own: Ctrl-C reaches this process alone, and its whole process group can be killed.

    Args:
        module: dotted name; its one argument is the number of the socket.
        socket: the file descriptor of a socket that it inherits.
        log: the file that its output is appended to.
        gpus: the GPUs it may see, as `visible_gpus` names them; None for those of this process.
        folder: its working folder; None for that of this process.
        environment: its variables; None for those of this process.
    """
    given = os.environ if environment is None else environment
    env = {**given, "PYTHONPATH": python_path(), "PARENT_PID": str(os.getpid())}
    if gpus is not None:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", module, str(socket)],
            pass_fds=[socket],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def end_process_group(process: subprocess.Popen[bytes]) -> int:
    """Kill a process of `start_worker` and all that it has started; return its exit code, negative for a signal."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()
