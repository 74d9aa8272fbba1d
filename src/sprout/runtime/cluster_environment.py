"""The environment variables of Ray, and of processes that run on another machine than the one that asks for them.

| variable | set by | meaning for the process that reads it |
|---|---|---|
| RAY_USAGE_STATS_ENABLED, … | `prepare_for_ray`, unless set | see `RAY_VARIABLES` |
| RAY_ADDRESS, RAY_TMPDIR | the user | where Ray's cluster is, before `cluster.address`; where Ray's files are |
| GLOO_SOCKET_IFNAME | `received_environment`, unless set | the network interface of a training on several machines |
| PYTHONPATH, CUDA_VISIBLE_DEVICES, ATEN_CPU_CAPABILITY, … | see `launch` | as there |
"""

import os
from collections.abc import Mapping
from pathlib import Path

from sprout.runtime.cpu_kernels import VARIABLES
from sprout.runtime.launch import python_path

RAY_FILES = "/tmp"  # noqa: S108 (where Ray itself puts them)
RAY_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_grpc_client_keepalive_time_ms": "70000",
    "RAY_grpc_client_keepalive_timeout_ms": "20000",
}
"""Ray reports nothing of its use, and warns of no change to come. It notices within 90 seconds, not 7 minutes, that the
machine of a task no longer answers. Asked more than once a minute, a machine would end the connection, and the task."""


def prepare_for_ray() -> None:
    """Set what Ray reads when it is imported."""
    for name, value in RAY_VARIABLES.items():
        os.environ.setdefault(name, value)


def cluster_address(address: str) -> str | None:
    """Return HOST:PORT of the Ray cluster that an address means, as Ray itself finds it; None if it is not known here.

    Args:
        address: auto, or HOST:PORT.
    """
    if found := os.environ.get("RAY_ADDRESS"):
        return found
    if address != "auto":
        return address
    path = Path(os.environ.get("RAY_TMPDIR", RAY_FILES), "ray", "ray_current_cluster")
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def cluster_environment() -> dict[str, str]:
    """The variables of processes that a cluster starts for this one; all machines have the code in the same place.

    They compute with the CPU kernels that this process was told to take.
    """
    kernels = {name: os.environ[name] for name in VARIABLES["default"] if name in os.environ}
    return {"PYTHONPATH": python_path(), **kernels}


def portable_environment() -> dict[str, str]:
    """The variables of this process for one on another machine, which has GPUs of its own."""
    return {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}


def received_environment(given: Mapping[str, str], address: str) -> dict[str, str]:
    """The variables that a process of another machine has sent, with the GPUs and the network of this machine.

    Args:
        given: the variables.
        address: at which other machines reach this one.
    """
    own = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {**network(address), **given, **({} if own is None else {"CUDA_VISIBLE_DEVICES": own})}


def network(address: str) -> dict[str, str]:
    """The variable that lets gloo, torch's communication between CPUs, use the interface with an address.

    Otherwise it takes the one of the machine's name, which Debian and Ubuntu give an address of loopback, 127.0.1.1.
    """
    import psutil

    interfaces = psutil.net_if_addrs().items()
    names = [name for name, addresses in interfaces if any(each.address == address for each in addresses)]
    return {"GLOO_SOCKET_IFNAME": names[0]} if names else {}
