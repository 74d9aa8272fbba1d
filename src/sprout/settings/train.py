"""Sections `train` (the teacher) and `retrain` (the student): one training."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from sprout.core.fields import STRICT, Count, CountOrZero, Name, NotNegative, Positive, Seed, Share
from sprout.core.validate import close
from sprout.settings.augment import Transforms

OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop"}
"""Each registered name with its class in torch.optim."""


def registered_or_own(name: str) -> str:
    """Check that this is a registered name, or can be a class in a module."""
    module, _, own = name.rpartition(".")
    if name not in OPTIMIZERS and not (module and own):
        raise ValueError(f"unknown{close(name, OPTIMIZERS)}; accepted: {', '.join(OPTIMIZERS)}, or package.Class")
    return name


@dataclass(frozen=True, config=STRICT)
class Optimizer:
    name: Annotated[Name, AfterValidator(registered_or_own)]
    """A name in OPTIMIZERS, or `package.Class`, a subclass of torch.optim.Optimizer whose file lies under `src/`
    and is named in the deps of the stages train and retrain in dvc.yaml."""
    weight_decay: NotNegative
    """Decay of the weights; norms and biases are left out."""
    args: dict[str, Any]
    """Further keyword arguments of the optimizer's class, such as `momentum`."""

    def __post_init__(self) -> None:
        """Two have a key of their own, which would win without a word."""
        for key, own in (("lr", "lr"), ("weight_decay", "optimizer.weight_decay")):
            if key in self.args:
                raise ValueError(f"args.{key} has a key of its own: set {own} of the section instead")


@dataclass(frozen=True, config=STRICT)
class Schedule:
    name: Literal["constant", "cosine", "one_cycle"]
    """How the learning rate goes after the warm-up: it stays, falls along a half cosine to 0, or rises
    and falls (Smith, 2018)."""
    warmup: Share
    """Share of all steps over which the rate rises linearly from 0 (one_cycle: to its peak)."""


@dataclass(frozen=True, config=STRICT)
class Train:
    epochs: Count
    """Passes over the training examples, at most."""
    batch_size: Count
    """Examples a step, over all devices together."""
    lr: Positive
    """Learning rate; the schedule's peak."""
    optimizer: Optimizer
    """What turns gradients into steps."""
    schedule: Schedule
    """How the learning rate changes over the training."""
    label_smoothing: Share
    """Share of the target that is spread over all classes."""
    transforms: Transforms
    """Augmentation, drawn anew for every example in every epoch."""
    monitor: Literal["val_loss", "val_accuracy"]
    """What picks the best epoch, whose weights are kept."""
    patience: Count | None
    """Stop after so many epochs without a better `monitor`; null means never."""
    seed: Seed
    """Seed of the first weights, of the order, of augmentation and of dropout."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"]
    """What to train on, as in Lightning."""
    devices: Count
    """Devices on this node; with more than one, a process each."""
    nodes: Count
    """Machines that train together; each starts the same command under torchrun or SLURM."""
    strategy: Name
    """How devices work together, as in Lightning: `auto`, `ddp`, `fsdp`, …"""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]
    """Number format, as in Lightning."""
    threads: CountOrZero
    """CPU threads; the same number gives the same bits. 0 leaves it to torch."""
    log_steps: CountOrZero
    """Track loss and learning rate every so many steps; 0 means only once an epoch."""
