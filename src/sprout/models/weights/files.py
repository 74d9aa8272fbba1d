"""Named tensors in files: written as safetensors, read without unpickling anything else."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sprout.runtime.errors import one_line
from sprout.runtime.files import atomic_write

SUFFIXES = (".safetensors", ".pth", ".pt")


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write them, each as a copy of its own: safetensors refuses tied weights, which share their memory."""
    own = {name: tensor.cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    with atomic_write(path) as beside:
        save_file(own, beside)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that safetensors or torch has written.

    Raises:
        ValueError: it holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            held = load_file(path)
        else:
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file that is none makes torch raise nearly every type
        raise ValueError(f"holds no weights, or more than weights ({one_line(error)[:200]})") from None
    if not isinstance(held, dict) or not all(isinstance(tensor, Tensor) for tensor in held.values()):
        raise ValueError("is no state dict, tensors by their names; save just `model.state_dict()`")
    return held
