"""Steps of consistency training (tracked epoch, no validation to speak of) ÷ those of a plain PyTorch loop.

A step has 64 labelled and 256 unlabelled grey images of 28 × 28 pixels: a weak view of the labelled ones, a weak and a
strong view of the others, labels by the moving average of the weights with a running threshold and aligned class
shares, one forward and backward pass, SGD, and the moving average's update. The reference does the same on tensors in
memory, with random draws by `torch.rand` and nothing around its steps.
"""

from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.paired import alternate, parser, positive, print_ratio, timed
from benchmarks.training import CLASSES, MEAN, STD, compose, make_training, random_data, run_epoch
from sprout.config.model import Resnet
from sprout.data.dataset import TrainingData
from sprout.models.resnet import ResNet
from sprout.runtime.run_context import log_nothing

GOAL = 1.10
BATCH, POOL_BATCH = 64, 256
LR, MOMENTUM, DECAY, EMA, RUNNING = 0.06, 0.9, 5e-4, 0.99, 0.98
NETWORK = {"stem": 32, "patch": 2, "widths": [48, 80], "blocks": [0, 1], "pooling": "average", "flip_average": False}
SETTINGS = (
    "model=resnet",
    *(f"model.{key}={str(value).lower().replace(' ', '')}" for key, value in NETWORK.items()),
    *("train/method=consistency", "train/optimizer=sgd", f"train.lr={LR}", f"train.ema={EMA}"),
    f"train.optimizer.args={{momentum: {MOMENTUM}, nesterov: true}}",
    f"train.optimizer.weight_decay={DECAY}",
    *("train.optimizer.decay=all", f"train.batch_size={BATCH}", "train.epochs=1000", "train.weak.flip=0.5"),
    "train.strong.flip=0.5",
)


class BareLoop:
    """Consistency training of the same network, written out."""

    def __init__(self, data: TrainingData) -> None:
        """Load all images, and make the network, its moving average and the optimizer."""
        assert data.pool
        self.images, self.pool = (
            torch.from_numpy(examples.take(examples.rows)).permute(0, 3, 1, 2).contiguous()
            for examples in (data.train, data.pool)
        )
        self.labels = torch.from_numpy(data.train.targets)
        torch.manual_seed(0)
        config = Resnet(
            name="resnet", stem=32, patch=2, widths=(48, 80), blocks=(0, 1), activation="relu", pooling="average",
            dropout=0.0, flip_average=False,
        )  # fmt: skip
        self.network: nn.Module = ResNet((1, 28, 28), CLASSES, config).to(memory_format=torch.channels_last)
        self.ema = deepcopy(self.network).eval()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), LR, MOMENTUM, weight_decay=DECAY, nesterov=True, fused=True
        )
        self.prior = torch.bincount(self.labels, minlength=CLASSES) / len(self.labels)
        self.seen, self.of_classes = torch.full((2, CLASSES), 1 / CLASSES)
        self.confidence = torch.tensor(1 / CLASSES)

    def train(self, steps: int) -> None:
        """Take steps."""
        self.network.train()
        for _ in range(steps):
            rows, others = (
                torch.randint(len(some), (n,)) for some, n in ((self.images, BATCH), (self.pool, POOL_BATCH))
            )
            pool = self.pool[others].float().div_(255)
            labelled = weak(self.images[rows].float().div_(255))
            with torch.no_grad():
                chosen, counts = self.label(self.ema(network_input(weak(pool))).softmax(1))
            outputs = self.network(network_input(torch.cat([labelled, strong(pool)])))
            loss = functional.cross_entropy(outputs[:BATCH], self.labels[rows])
            loss = loss + (functional.cross_entropy(outputs[BATCH:], chosen, reduction="none") * counts).mean()
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(floats(self.ema), floats(self.network), 1 - EMA)

    def label(self, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """Return classes and whether they count, after alignment and by the running threshold."""
        self.seen = torch.lerp(probabilities.mean(0), self.seen, RUNNING)
        aligned = probabilities * (self.prior / self.seen)
        aligned = aligned / aligned.sum(1, keepdim=True)
        confidence, chosen = aligned.max(1)
        self.confidence = torch.lerp(confidence.mean(), self.confidence, RUNNING)
        self.of_classes = torch.lerp(aligned.mean(0), self.of_classes, RUNNING)
        return chosen, confidence >= (self.confidence * self.of_classes / self.of_classes.max())[chosen]


def floats(network: nn.Module) -> list[Tensor]:
    """Return weights and running statistics."""
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]


def network_input(images: Tensor) -> Tensor:
    """Normalise images, and bring them to the memory format of the network."""
    normalised: Tensor = images.sub(MEAN).div_(STD)
    return normalised.contiguous(memory_format=torch.channels_last)


def uniform(n: int, most: float) -> Tensor:
    """Return (n,) numbers from ± `most`."""
    return (2 * torch.rand(n) - 1) * most


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Resample images by (N, 2, 3) matrices."""
    return functional.grid_sample(
        images, functional.affine_grid(matrices, list(images.shape), align_corners=False), align_corners=False
    )


def weak(images: Tensor) -> Tensor:
    """Flip, and shift by up to 2 pixels."""
    matrices = torch.zeros(len(images), 2, 3)
    matrices[:, 0, 0] = torch.where(torch.rand(len(images)) < 0.5, -1.0, 1.0)
    matrices[:, 1, 1] = 1
    matrices[:, :, 2] = (torch.randint(-2, 3, (len(images), 2)) * 2) / 28
    return warp(images, matrices)


def strong(images: Tensor) -> Tensor:
    """Flip, shift, rotate, zoom, shear, change brightness, contrast and colour, and erase a square."""
    n = len(images)
    flip, angle, zoom = torch.where(torch.rand(n) < 0.5, -1.0, 1.0), uniform(n, 0.26), 1 + uniform(n, 0.15)
    shear, cos, sin = torch.tan(uniform(n, 0.17)), angle.cos(), angle.sin()
    top = torch.stack([cos / zoom * flip, (shear * cos - sin) / zoom * flip, uniform(n, 0.24)], 1)
    bottom = torch.stack([sin / zoom, (shear * sin + cos) / zoom, uniform(n, 0.24)], 1)
    images = warp(images, torch.stack([top, bottom], 1))
    images = images * (1 + uniform(n, 0.3)).view(n, 1, 1, 1)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (1 + uniform(n, 0.3)).view(n, 1, 1, 1) * (images - mean)
    across, down = torch.rand(2, n, 1) * 28
    line = torch.arange(28) + 0.5
    inside = ((line - down).abs() < 4.2)[:, :, None] & ((line - across).abs() < 4.2)[:, None, :]
    erased: Tensor = images * ~inside[:, None]
    return erased


def measure(pairs: int, steps: int) -> None:
    """Compare epochs of so many steps, and print the result."""
    with TemporaryDirectory(prefix="sprout-consistency-") as scratch:
        data = random_data(Path(scratch), 1000, 10, pool=20_000)
        build = compose(*SETTINGS, f"train.steps_per_epoch={steps}")
        ours, reference = make_training(data, build, Path(scratch, "checkpoints"), log_nothing), BareLoop(data)
        run_epoch(ours)  # warm-up
        reference.train(steps)
        costs = alternate(lambda: timed(lambda: run_epoch(ours)), lambda: timed(lambda: reference.train(steps)), pairs)
    print_ratio("consistency", GOAL, *costs)


if __name__ == "__main__":
    command_line = parser("consistency", __doc__, pairs=10)
    command_line.add_argument("--steps", type=positive, default=100, help="in an epoch (default: %(default)s)")
    arguments = command_line.parse_args()
    measure(arguments.pairs, arguments.steps)
