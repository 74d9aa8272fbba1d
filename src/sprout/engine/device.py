"""The device of a training: its random seed, and batches on it."""

import torch
from torch import Tensor

from sprout.data.loader import Batch


def seed_dropout(seed: int, device: torch.device) -> None:
    """Seed the generator of one device: without a GPU this takes a hundredth of the time of `torch.manual_seed`."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device; to a GPU through pinned memory, so that copying overlaps with computation."""
    if device.type == "cpu":
        return batch

    def moved(tensor: Tensor) -> Tensor:
        return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)

    ids = moved(batch.ids)
    keys = ids if batch.keys is batch.ids else moved(batch.keys)
    return batch._replace(inputs=moved(batch.inputs), targets=moved(batch.targets), ids=ids, keys=keys)
