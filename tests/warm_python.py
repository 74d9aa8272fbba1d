"""A Python that has imported the libraries, for commands of tests to fork: importing them again takes 9 s of CPU time.

`commands()` is a folder to be put first in PATH. Each command in it hands what it was started with to the server
below, passes on the signals that it gets, and ends as the fork of the server does; if it is killed, so is the fork.
Tests of how processes start and die run real ones.
"""

import ast
import atexit
import fcntl
import gc
import importlib
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

COMMANDS = ("python", "dvc", "sprout")
LIBRARIES = (
    *("torch.distributed.launcher.api", "torch._dynamo", "torchvision", "pytorch_lightning", "safetensors.torch"),
    *("sklearn.ensemble", "sklearn.linear_model", "sklearn.cluster", "sklearn.datasets", "scipy.stats"),
    *("mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "optuna", "pyarrow.parquet", "matplotlib.pyplot"),
    *("hydra", "typer", "rich.progress", "dvc.cli", "dvc.repo.reproduce", "dvc.repo.experiments.run", "tabulate"),
)
READ_ONCE = ("PYTHON", "OMP_", "KMP_", "MKL_", "OPENBLAS_", "LD_", "LC_", "LANG", "TZ", "HOME", "XDG_", "MPL")
"""Beginnings of variables that Python and the libraries read when they start: a command with others is started anew."""
CHANGED = ("PYTHONPATH", "LC_CTYPE", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")
"""`run` sets the first; Python and libraries set the others themselves."""


class Request(NamedTuple):
    """What a command was started with."""

    path: str
    words: list[str]
    folder: str
    environment: dict[str, str]
    pid: int
    files: list[int]


def warm_python() -> str:
    """The command `python`."""
    return str(commands() / "python")


@cache
def commands() -> Path:
    """The folder of the commands, whose server ends with this process; that of the real ones where there is no fork."""
    real = Path(sys.executable).parent
    if sys.platform != "linux":
        return real
    from sprout.tracking.connection import ENVIRONMENT

    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    for name in COMMANDS:
        (folder / name).write_text(f"#!{real}/python -IS\n" + Path(__file__).with_name("warm_command.py").read_text())
        (folder / name).chmod(0o700)
    words, pipe = [real / "python", __file__, folder, *LIBRARIES], subprocess.PIPE
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ENVIRONMENT
    server = subprocess.Popen(words, env=env, stdin=pipe, stdout=pipe, start_new_session=True)
    atexit.register(server.communicate)
    assert server.stdout is not None
    assert server.stdout.readline(), "the warm Python has not started"
    return folder


class Server:
    """Forks a process for each command that connects."""

    def __init__(self, folder: str, start: dict[str, str]) -> None:
        self.start = start
        self.clients: dict[socket.socket, int] = {}
        """The pid of each one's fork."""
        self.forks: dict[int, socket.socket] = {}
        """The client of each one's file descriptor."""
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(os.path.join(folder, "socket"))
        self.listener.listen(64)

    def serve(self) -> Request | None:
        """Return a request in its fork, and None in the server when its standard input is closed."""
        while True:
            ready, _, _ = select.select([0, self.listener, *self.clients, *self.forks], [], [])
            if 0 in ready:
                return None
            for fork in self.forks.keys() & ready:
                self.ended(fork)
            for client in self.clients.keys() & ready:
                signums = client.recv(1)  # none from one that was killed
                os.kill(self.clients[client], signums[0] if signums else signal.SIGKILL)
            if self.listener in ready and (request := self.accept()):
                return request

    def ended(self, fork: int) -> None:
        """Tell a client how its fork has ended."""
        client = self.forks.pop(fork)
        os.close(fork)
        _, status = os.waitpid(self.clients.pop(client), 0)
        answer(client, str(os.waitstatus_to_exitcode(status)))

    def accept(self) -> Request | None:
        """Fork for a new client; return its request in the fork."""
        client, _ = self.listener.accept()
        data, files, _, _ = socket.recv_fds(client, 1 << 20, 64)
        request = Request(*ast.literal_eval(data.decode())) if data else None
        if request is None or read_once(request.environment) != self.start or not is_known(request.words):
            answer(client, "real")
        elif pid := os.fork():
            self.clients[client] = pid
            self.forks[os.pidfd_open(pid)] = client
        else:
            for each in (self.listener, client, *self.clients):
                each.close()
            for number in self.forks:
                os.close(number)
            place(files, request.files)
            return request
        for file in files:
            os.close(file)
        return None


def read_once(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that only a new process can change."""
    return {k: v for k, v in environment.items() if k.startswith(READ_ONCE) and k not in CHANGED}


def answer(client: socket.socket, text: str) -> None:
    """Answer a client, if it still lives."""
    with client, suppress(BrokenPipeError):
        client.send(text.encode())


def is_known(words: list[str]) -> bool:
    """Whether `run` can run this; the other options of the interpreter need a real one."""
    return bool(words) and (words[0] in ("-u", "-m", "-c") or not words[0].startswith("-"))


def place(files: list[int], numbers: list[int]) -> None:
    """Give open files the numbers that they have in the client."""
    beyond = [fcntl.fcntl(file, fcntl.F_DUPFD, 1000) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(beyond, numbers, strict=True):
        os.dup2(file, number)
        os.close(file)


def become(request: Request) -> None:
    """Make this fork what a new process would be, but for its pid and for the hashes of strings, alike in all forks."""
    os.setsid()
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    os.getppid = lambda: int(Path(f"/proc/{request.pid}/stat").read_text().rpartition(")")[2].split()[1])
    sys.executable = str(Path(request.path).with_name("python"))
    sys.modules["numpy"].random.seed()


def run(words: list[str], libraries: list[str]) -> None:
    """Run a script, `-m` with a module or `-c` with code as Python would.

    Args:
        words: what follows `python`.
        libraries: the end of `sys.path`.
    """
    if words[0] == "-u":
        sys.stdout.reconfigure(write_through=True)
        words = words[1:]
    what, *rest = words
    first = {"-c": "", "-m": os.getcwd()}.get(what, os.path.dirname(os.path.abspath(what)))
    given = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [first, *dict.fromkeys(given + libraries)]
    sys.argv[:] = [what, *rest[1:]] if what in ("-c", "-m") else words
    main = sys.modules["__main__"] = ModuleType("__main__")
    if what == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif what == "-c":
        exec(compile(rest[0], "<string>", "exec"), vars(main))  # noqa: S102
    else:
        main.__file__ = os.path.abspath(what)
        exec(compile(Path(what).read_bytes(), main.__file__, "exec"), vars(main))  # noqa: S102


def end(code: object) -> NoReturn:
    """End this fork as `sys.exit` ends a process, without the 3 s that taking all libraries down takes."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    start = read_once(os.environ)
    for library in sys.argv[2:]:
        importlib.import_module(library)
    gc.freeze()
    server, libraries = Server(sys.argv[1], start), sys.path[1:]
    with suppress(BrokenPipeError):
        os.write(1, b"ready\n")
    if request := server.serve():
        become(request)
        try:
            end(run(request.words, libraries))
        except SystemExit as exit:
            end(exit.code)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            end(1)
    else:
        gc.unfreeze()
        shutil.rmtree(sys.argv[1])
