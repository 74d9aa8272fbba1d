"""Named tensors in files: written as safetensors, and read from safetensors or PyTorch files without unpickling."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import atomic_write


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, each as its own copy: safetensors refuses tied weights, which share memory."""
    copies = {name: tensor.cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    with atomic_write(path) as beside:
        save_file(copies, beside)


def load_tensors(path: Path, what: str) -> dict[str, Tensor]:
    """Read a state dict, tensors by name, from a file of safetensors or PyTorch.

    Args:
        path: the file; the suffix `.safetensors` decides its format.
        what: the file's name in an error.

    Raises:
        UserError: the file contains anything else.
    """
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises nearly every type for a file that has no weights
        raise UserError(f"{what}: no weights, or more than weights ({one_line(error)[:200]})") from None
    if not isinstance(content, dict) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise UserError(f"{what}: not a state dict, tensors by name; save only `model.state_dict()`")
    return content
