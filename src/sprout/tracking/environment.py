"""What the bits of a result depend on besides code, data and settings: processor, threads, GPU and libraries."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sprout import __version__
from sprout.tracking.tags import CAPABILITY, CORES, CPU, GPU, THREADS, VERSIONS

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pytorch-lightning", "pillow")
"""Those whose version may change a result."""
CPU_INFO = Path("/proc/cpuinfo")
NAMES = {CPU: "CPU", CAPABILITY: "CPU instructions", THREADS: "threads", GPU: "GPU"}


def environment_tags() -> dict[str, str]:
    """The tags that say what this process computes with; PyTorch's part only where it has been imported."""
    versions = {"python": platform.python_version(), "sprout": __version__, **installed()}
    tags = {CPU: cpu_model(), CORES: str(available_cores())}
    if (torch := sys.modules.get("torch")) is not None:
        tags |= {CAPABILITY: torch.backends.cpu.get_cpu_capability(), THREADS: str(torch.get_num_threads())}
        if torch.cuda.is_initialized():
            count = torch.cuda.device_count()
            tags[GPU] = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
            versions["CUDA"] = str(torch.version.cuda or torch.version.hip)
    return tags | {VERSIONS: json.dumps(versions)}


def installed() -> dict[str, str]:
    """The versions of the libraries that are installed."""
    found = {}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def cpu_model() -> str:
    """The name of the processor, as the system knows it; of some only the architecture is known."""
    with suppress(OSError):
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def environment_of(tags: Mapping[str, str]) -> dict[str, str]:
    """What the tags of a run say that it was computed with, by name; nothing of a run that did not record it."""
    named = {name: tags[tag] for tag, name in NAMES.items() if tag in tags}
    versions: dict[str, str] = json.loads(tags.get(VERSIONS, "{}"))
    return named | versions
