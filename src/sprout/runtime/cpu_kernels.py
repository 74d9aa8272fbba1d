"""The CPU kernels that torch and its libraries compute with: other kernels give other bits.

Torch's own kernels, oneDNN's convolutions, MKL's and OpenBLAS's matrix products and NumPy's exponentials are chosen by
what the CPU can do when these libraries are loaded; each has a variable of the environment to choose less. Decoding is
exact on all CPUs: libjpeg-turbo and Pillow compute with integers.
"""

import hashlib
import os
from pathlib import Path
from typing import Literal, NamedTuple

from sprout.runtime.errors import UserError

Capability = Literal["default", "avx2", "avx512"]
"""As ATEN_CPU_CAPABILITY says it; of each the CPUs have all before."""
VARIABLES: dict[Capability, dict[str, str]] = {
    "default": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3,X86_V4,AVX512_ICL,AVX512_SPR",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4,AVX512_ICL,AVX512_SPR",
    },
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "MKL_CBWR": "AVX512",
        "OPENBLAS_CORETYPE": "SkylakeX",
        "NPY_DISABLE_CPU_FEATURES": "AVX512_ICL,AVX512_SPR",
    },
}
"""The variables of torch, oneDNN, MKL, OpenBLAS and NumPy."""
FLAGS: dict[str, set[str]] = {
    "default": set(),
    "avx2": {"avx2", "fma"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
}
"""What a CPU must have, as Linux names it: it would end a process that uses what it has not."""
CPU_INFO = Path("/proc/cpuinfo")


class Kernels(NamedTuple):
    """What a machine computes with."""

    machine: str
    """Its name."""
    capability: str
    """DEFAULT, AVX2, AVX512 or another one, as torch names it."""
    probe: str
    """SHA-256 of some results: libraries choose kernels by more than the capability, such as the maker of the CPU."""

    def same(self, other: "Kernels") -> bool:
        """Whether both compute the same bits, as far as the probe tells."""
        return self[1:] == other[1:]


def check_supported() -> None:
    """Check that this CPU has what the environment asks for.

    Raises:
        UserError: it has not.
    """
    wanted = os.environ.get("ATEN_CPU_CAPABILITY", "default").lower()
    if missing := FLAGS.get(wanted, set()) - cpu_flags():
        raise UserError(
            f"cluster.cpu_capability={wanted}: the CPU of {os.uname().nodename} has no {', '.join(sorted(missing))}; "
            "accepted: what all machines have"
        )


def cpu_flags() -> set[str]:
    """What this CPU has, as Linux names it; nothing on another system."""
    if not CPU_INFO.is_file():
        return set()
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())


def own_kernels() -> Kernels:
    """What this process computes with, with its number of threads.

    Raises:
        UserError: the CPU has not what the environment asks for.
    """
    check_supported()
    import torch

    return Kernels(os.uname().nodename, torch.backends.cpu.get_cpu_capability(), probe())


def probe() -> str:
    """SHA-256 of a convolution, matrix products, activations, norms and exponentials; takes some milliseconds."""
    import numpy as np
    import torch
    from torch.nn import functional

    numbers = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 16, 32, 32)).astype(np.float32))
    rows = numbers.reshape(64, -1)
    with torch.inference_mode():
        found = [
            functional.conv2d(numbers, numbers[:, :, :3, :3]),
            rows @ rows.T,
            functional.gelu(rows),
            rows.tanh(),
            rows.softmax(dim=1),
            functional.layer_norm(rows, rows.shape[1:]),
            rows.sum(dim=1),
        ]
    doubles = rows.numpy().astype(np.float64)
    digest = hashlib.sha256()
    for each in (*(one.numpy() for one in found), np.exp(doubles), doubles @ doubles.T):
        digest.update(each.tobytes())
    return digest.hexdigest()
