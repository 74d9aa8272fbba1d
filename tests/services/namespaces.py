"""Two machines with addresses of their own on one host: network namespaces, joined by a bridge in a third one."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from ray_cluster import MEMORY, wait_until

NETWORK = "10.203.77"
HOSTS = "127.0.0.1 localhost\n127.0.1.1 {name}\n"
"""A machine's own name leads to loopback, as Debian and Ubuntu set it up."""
AS_MACHINE = 'mount --bind "$0" /etc/hosts && echo "$1" > /proc/sys/kernel/hostname && shift && exec "$@"'


@dataclass(frozen=True)
class Machine:
    """A machine."""

    name: str
    """Its host name."""
    space: str
    """Its namespace."""
    switch: str
    """The namespace of the bridge."""
    address: str
    folder: Path
    """Ray's files, and /etc/hosts."""

    @property
    def as_machine(self) -> list[str]:
        """The beginning of a command that runs on this machine."""
        inside = ["ip", "netns", "exec", self.space, "unshare", "--uts", "sh", "-c", AS_MACHINE]
        return [*inside, str(self.folder / "hosts"), self.name]

    def start_ray(self, variables: dict[str, str], head: "Machine | None" = None) -> None:
        """Start Ray as a person would: the head, or a node that joins one."""
        role = ["--head", "--include-dashboard=false"] if head is None else [f"--address={head.address}:6379"]
        size = ["--num-cpus=1", f"--object-store-memory={MEMORY}", f"--temp-dir={self.folder}"]
        command = [*self.as_machine, "ray", "start", *role, *size]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def link(self, state: str) -> None:
        """Cut the cable to the switch (down), or plug it in again (up): nobody says goodbye."""
        ip("-n", self.switch, "link", "set", f"to-{self.name}", state)

    def processes(self) -> list[int]:
        """The pids of the processes that run on this machine."""
        return [int(pid) for pid in ip("netns", "pids", self.space).split()]

    def kill(self) -> None:
        """Kill all of its processes."""

        def ended() -> bool:
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not self.processes()

        wait_until(ended)


def ip(*words: str) -> str:
    """Run `ip` and return what it printed."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def skip_where_not_allowed() -> None:
    """Skip the tests where namespaces cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if missing := [name for name in ("ip", "unshare", "mount") if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    probe = f"sprout-{os.getpid()}-probe"
    done = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"network namespaces are not allowed: {done.stderr.strip()}")
    ip("netns", "delete", probe)


@contextmanager
def two_machines(folder: Path) -> Iterator[tuple[Machine, Machine]]:
    """Make two machines, 10.203.77.1 and .2; at the end nothing of them is left.

    Args:
        folder: with a short path, for their files.
    """
    switch = f"sprout-{os.getpid()}-switch"
    found = [
        Machine(name, f"sprout-{os.getpid()}-{name}", switch, f"{NETWORK}.{number}", folder / name)
        for number, name in enumerate(("one", "two"), 1)
    ]
    try:
        ip("netns", "add", switch)
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for machine in found:
            plug_in(machine)
        yield found[0], found[1]
    finally:
        spaces = [line.split()[0] for line in ip("netns", "list").splitlines()]
        for machine in found:
            if machine.space in spaces:
                machine.kill()
        for space in {switch, *(machine.space for machine in found)} & set(spaces):
            ip("netns", "delete", space)  # and the links in it


def plug_in(machine: Machine) -> None:
    """Give a machine its namespace, its files, and a cable to the switch."""
    machine.folder.mkdir()
    (machine.folder / "hosts").write_text(HOSTS.format(name=machine.name))
    ip("netns", "add", machine.space)
    port = f"to-{machine.name}"
    ip("-n", machine.space, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", machine.switch)
    ip("-n", machine.switch, "link", "set", port, "master", "bridge", "up")
    ip("-n", machine.space, "address", "add", f"{machine.address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        ip("-n", machine.space, "link", "set", device, "up")
    ip("-n", machine.space, "route", "add", "default", "via", f"{NETWORK}.254")  # Ray takes its address for its own


def run_on(machine: Machine, words: Sequence[str], folder: Path, variables: dict[str, str]) -> "subprocess.Popen[str]":
    """Start a command on a machine, in a folder that all machines share."""
    env, pipe = os.environ | variables, subprocess.PIPE
    command = [*machine.as_machine, *words]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True)
