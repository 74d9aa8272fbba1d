"""What runs on each machine of a training in a Ray cluster: an actor that starts torchrun and hands on its output."""

import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sprout.runtime.cluster_environment import received_environment
from sprout.runtime.launch import KILLED, RANKS, environment_of_ranks


@dataclass(frozen=True)
class Ended:
    """How the processes of a machine ended."""

    code: int
    """Of torchrun; `launch.KILLED` where a signal has killed one of them."""
    mistake: str = ""
    """The message of the `UserError` that one of them has raised."""
    why: str = ""
    """What Ray says of a machine that was lost."""

    @property
    def lost(self) -> bool:
        """Whether the training may resume from its last checkpoint."""
        return self.code == KILLED


class Node:
    """What runs on a machine: an actor of Ray."""

    process: "subprocess.Popen[str] | None" = None
    stopped = False
    """Whether no process is to start any more."""

    def address(self) -> tuple[str, int]:
        """The address that the other machines reach this one at, and a free port."""
        import ray

        util: Any = ray.util
        with socket.socket() as free:
            free.bind(("", 0))
            return str(util.get_node_ip_address()), int(free.getsockname()[1])

    def place(self) -> str:
        """Ray's name of this machine."""
        import ray

        context: Any = ray.get_runtime_context()
        return str(context.get_node_id())

    def run(self, torchrun: Sequence[str], command: Sequence[str], environment: dict[str, str], folder: str) -> Any:
        """Run a Python command once per device; yield what it prints, line by line, and at last an `Ended`.

        Args:
            torchrun: its options.
            command: the script, or `-m` and the module, with its arguments.
            environment: the variables of the process that asks.
            folder: the workspace.
        """
        where = self.address()[0]
        if not Path(folder).is_dir():
            yield Ended(2, f"{folder}: not found on {where}; the workspace must be on a file system of all machines")
            return
        if self.stopped:
            yield Ended(KILLED)
            return
        with TemporaryDirectory() as scratch:
            message = Path(scratch) / "error"
            with subprocess.Popen(
                [*RANKS, *torchrun, *command],
                env=environment_of_ranks(received_environment(environment, where), message),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as self.process:
                assert self.process.stdout is not None
                for line in self.process.stdout:  # noqa: UP028 (Ray calls send on a generator, a file has none)
                    yield line
            code = self.process.returncode
            yield Ended(KILLED if code < 0 else code, message.read_text(encoding="utf-8") if message.exists() else "")

    def stop(self, signum: int) -> None:
        """Ask the processes to write their checkpoint and end."""
        self.stopped = True
        if self.process is not None:
            self.process.send_signal(signum)
