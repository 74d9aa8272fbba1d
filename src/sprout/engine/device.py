"""What a step asks of the device it runs on."""

import torch
from torch import Tensor

from sprout.data.dataset import Batch


def seed_dropout(seed: int, device: torch.device) -> None:
    """`torch.manual_seed` for one device; that itself takes a hundred times as long where there is no GPU to tell."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch there; to a GPU by pinned memory, so that the copy runs beside what it computes."""
    if device.type == "cpu":
        return batch

    def moved(tensor: Tensor) -> Tensor:
        return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)

    return batch._replace(inputs=moved(batch.inputs), targets=moved(batch.targets), ids=moved(batch.ids))
