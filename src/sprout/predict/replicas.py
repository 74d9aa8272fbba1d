"""A network on several devices, for predictions."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import torch
from torch import Tensor, nn

from sprout.runtime.errors import UserError, one_line

CPU = torch.device("cpu")


def on_cpu_alone(devices: Sequence[torch.device]) -> bool:
    """Whether these are the CPU and no other device."""
    return all(each.type == "cpu" for each in devices) and len(devices) == 1


class Replicas(nn.Module):
    """Copies of a network, among which each batch is divided; inputs and outputs are on the CPU."""

    def __init__(self, network: nn.Module, devices: Sequence[torch.device]) -> None:
        """Copy a network to each device."""
        super().__init__()
        self.devices = list(devices)
        self.copies = nn.ModuleList(deepcopy(network).to(device).eval() for device in devices)
        self.threads = ThreadPoolExecutor(len(self.devices))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, …) → (N, …), as the network alone."""
        parts = inputs.tensor_split(len(self.devices)) if len(inputs) >= len(self.devices) else (inputs,)
        return torch.cat([*self.threads.map(self._on_device, range(len(parts)), parts)])

    @torch.inference_mode()
    def _on_device(self, place: int, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.copies[place](inputs.to(self.devices[place]))
        return outputs.cpu()


def devices(name: str) -> list[torch.device]:
    """The devices to predict on: auto is all GPUs, or the CPU where there is none.

    Raises:
        UserError: there is no such device.
    """
    if name == "auto":
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return [torch.device("cuda", place) for place in range(gpus)] or [CPU]
    try:
        torch.zeros(1, device=name)
        return [torch.device(name)]
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"device={name}: cannot be used ({one_line(error)}); accepted: auto, cpu, cuda, cuda:1, …, mps"
        ) from None
