"""The bare PyTorch loop that trainings are held against."""

import os
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.training import CLASSES, MEAN, STD, Data
from sprout.data.dataset import Examples

VAL_BATCH = 1000
alone = patch.dict(os.environ, PYTORCH_NVML_BASED_CUDA_CHECK="0")
"""Lightning, imported into the same process, sets it, and without a GPU each step of `torch.optim.Adam` then looks for
NVIDIA's library, 0.1 ms. A bare program would not pay that."""


class BareLoop:
    """The CNN of 3 × 12 filters on images in memory, with nothing around its steps."""

    def __init__(self, data: Data, batch: int, memory_format: torch.memory_format, fused: bool) -> None:
        """Normalise all images, once, and make the network and `torch.optim.Adam`.

        Args:
            data: grey images of 28 × 28 pixels.
            batch: examples a step.
            memory_format: of images and network.
            fused: whether the optimizer is asked for its fused kernel, which it does not choose by itself.
        """
        self.batch = batch
        (self.images, self.labels), (self.val_images, self.val_labels) = (
            in_memory(some, memory_format) for some in data
        )
        torch.manual_seed(0)
        self.network = nn.Sequential(
            *(nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 12, 3), nn.ReLU(), nn.Conv2d(12, 12, 3), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(12 * 22 * 22, 100), nn.ReLU(), nn.Linear(100, CLASSES)),
        ).to(memory_format=memory_format)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.001, fused=fused or None)

    def epoch(self) -> None:
        """All of train and of val."""
        self.train(len(self.images))
        self.validate()

    @alone
    def train(self, images: int) -> None:
        """The first so many images of a new order."""
        self.network.train()
        order = torch.randperm(len(self.images))[:images]
        for first in range(0, len(order), self.batch):
            rows = order[first : first + self.batch]
            loss = functional.cross_entropy(self.network(self.images[rows]), self.labels[rows])
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Mean loss and accuracy on val."""
        self.network.eval()
        total = right = 0.0
        for first in range(0, len(self.val_labels), VAL_BATCH):
            labels = self.val_labels[first : first + VAL_BATCH]
            logits = self.network(self.val_images[first : first + VAL_BATCH])
            total += functional.cross_entropy(logits, labels, reduction="sum").item()
            right += (logits.argmax(dim=1) == labels).sum().item()
        return total / len(self.val_labels), right / len(self.val_labels)


def in_memory(examples: Examples, memory_format: torch.memory_format) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) float32 normalised images, and (N,) int64 labels."""
    images = torch.from_numpy(examples.take(examples.rows)).permute(0, 3, 1, 2).float().div_(255)
    return images.sub_(MEAN).div_(STD).contiguous(memory_format=memory_format), torch.from_numpy(examples.targets)
