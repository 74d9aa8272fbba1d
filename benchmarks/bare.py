"""The plain PyTorch loop that trainings are compared with."""

import os
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.training import CLASSES, MEAN, STD
from sprout.data.dataset import Examples, TrainingData

VAL_BATCH = 1000
without_nvml = patch.dict(os.environ, PYTORCH_NVML_BASED_CUDA_CHECK="0")
"""Lightning sets this variable when it is imported, and without a GPU each step of `torch.optim.Adam` then searches for
NVIDIA's library, which takes 0.1 ms. A plain program does not."""


class BareLoop:
    """The CNN of 3 × 12 filters on images in memory, with nothing around its steps."""

    def __init__(self, data: TrainingData, batch: int, memory_format: torch.memory_format, fused: bool) -> None:
        """Normalise all images once, and make the network and `torch.optim.Adam`.

        Args:
            data: grey images of 28 × 28 pixels.
            batch: examples in a step.
            memory_format: of images and network.
            fused: whether the optimizer uses its fused kernel, which is not its default on a CPU.
        """
        self.batch = batch
        (self.images, self.labels), (self.val_images, self.val_labels) = (
            in_memory(some, memory_format) for some in (data.train, data.measured.examples)
        )
        torch.manual_seed(0)
        self.network = nn.Sequential(
            *(nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 12, 3), nn.ReLU(), nn.Conv2d(12, 12, 3), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(12 * 22 * 22, 100), nn.ReLU(), nn.Linear(100, CLASSES)),
        ).to(memory_format=memory_format)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.001, fused=fused or None)

    def epoch(self) -> None:
        """Train on all training images, then validate."""
        self.train(len(self.images))
        self.validate()

    @without_nvml
    def train(self, images: int) -> None:
        """Train on the first images of a new random order."""
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
        """Return the mean loss and the accuracy on val."""
        self.network.eval()
        total = correct = 0.0
        for first in range(0, len(self.val_labels), VAL_BATCH):
            labels = self.val_labels[first : first + VAL_BATCH]
            logits = self.network(self.val_images[first : first + VAL_BATCH])
            total += functional.cross_entropy(logits, labels, reduction="sum").item()
            correct += (logits.argmax(dim=1) == labels).sum().item()
        return total / len(self.val_labels), correct / len(self.val_labels)


def in_memory(examples: Examples, memory_format: torch.memory_format) -> tuple[Tensor, Tensor]:
    """Return normalised images, (N, C, H, W) float32, and labels, (N,) int64."""
    images = torch.from_numpy(examples.take(examples.rows)).permute(0, 3, 1, 2).float().div_(255)
    return images.sub_(MEAN).div_(STD).contiguous(memory_format=memory_format), torch.from_numpy(examples.targets)
