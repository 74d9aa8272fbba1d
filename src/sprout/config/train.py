"""Sections `train` (the teacher) and `retrain` (the student): one training. Their key `method` says of which kind."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from sprout.config.augment import Transforms
from sprout.config.fields import STRICT, Count, CountOrZero, Name, NotNegative, Positive, Seed, Share
from sprout.config.task import Task
from sprout.config.validate import close, written

OPTIMIZERS = {
    "adam": "torch.optim.Adam",
    "adamw": "torch.optim.AdamW",
    "sgd": "torch.optim.SGD",
    "rmsprop": "torch.optim.RMSprop",
    "muon": "sprout.engine.muon.Muon",
}
"""Each registered name with its class."""

Normalisation = Literal["standard", "min_max", "none", "imagenet"]
"""How an example's numbers are scaled, by figures of the training split: standard to mean 0 and spread 1 per channel or
feature, min_max to 0..1; none leaves features as they are, and pixels in 0..1. imagenet takes the figures that
torchvision's pretrained networks know. The target of a regression is scaled likewise, by its own figures."""


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
    and is named in the deps of the stages train and retrain in dvc.yaml. muon (Jordan et al., 2024) moves the matrices
    and kernels, and AdamW all else."""
    weight_decay: NotNegative
    """Decay of the weights: L2 for sgd, adam and rmsprop, decoupled for adamw and muon."""
    decay: Literal["weights", "all"]
    """weights: norms and biases do not decay."""
    args: dict[str, Any]
    """Further keyword arguments of the optimizer's class, such as `momentum`."""

    def __post_init__(self) -> None:
        """Two have a key of their own, which would win without a word."""
        for key, own in (("lr", "lr"), ("weight_decay", "optimizer.weight_decay")):
            if key in self.args:
                raise ValueError(f"args.{key} has a key of its own: set {own} of the section instead")


@dataclass(frozen=True, config=STRICT)
class Schedule:
    name: Literal["constant", "step", "cosine", "one_cycle"]
    """How the learning rate goes after the warm-up: it stays, falls in steps, falls along a half cosine to 0, or rises
    and falls (Smith, 2018)."""
    warmup: Share
    """Share of all steps over which the rate rises linearly from 0 (one_cycle: to its peak)."""
    drops: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    """Shares of all steps after which the rate drops; of the schedule step alone."""
    drop: Annotated[float, Field(gt=0, lt=1)] | None
    """What each drop multiplies the rate by; likewise."""

    def __post_init__(self) -> None:
        """Drops belong to one schedule."""
        if (self.name == "step") != bool(self.drops):
            raise ValueError(
                f"drops={list(self.drops)} with name={self.name}: step needs a list such as [0.5, 0.75], "
                "the others take none"
            )
        if (self.name == "step") != (self.drop is not None):
            raise ValueError(
                f"drop={written(self.drop)} with name={self.name}: step needs a factor such as 0.1, the others null"
            )


@dataclass(frozen=True, config=STRICT)
class Unfreeze:
    epochs: Annotated[tuple[Count, ...], Field(min_length=1)]
    """From the start only the head learns; at each of these epochs, counted from 0, the next part of the rest joins it,
    deepest first (Howard and Ruder, 2018). There are as many parts as epochs."""
    rates: tuple[Annotated[Positive, Field(le=1)], ...]
    """Each part's share of the learning rate."""

    def __post_init__(self) -> None:
        """A rate for each part, which join one after another."""
        if len(self.rates) != len(self.epochs) or sorted(set(self.epochs)) != list(self.epochs):
            raise ValueError(
                f"epochs={list(self.epochs)} with rates={list(self.rates)}: the epochs rise, and each has a rate"
            )


@dataclass(frozen=True, config=STRICT)
class GradientDescent:
    method: Literal["gradient_descent"]
    """A network, trained step by step."""
    task: Task
    """What is learned."""
    normalise: Normalisation
    """How an example's numbers are scaled before the network meets them."""
    epochs: Count
    """Passes over the training examples, at most."""
    batch_size: Count
    """Examples a step, over all devices together."""
    accumulate: Count
    """In how many parts a step's batch passes the network, one after another: less memory, the same step but for batch
    norm and dropout, which are those of each part."""
    lr: Positive
    """Learning rate; the schedule's peak."""
    optimizer: Optimizer
    """What turns gradients into steps."""
    schedule: Schedule
    """How the learning rate changes over the training."""
    unfreeze: Unfreeze | None
    """How pretrained weights join in; null: everything learns from the start, at the full rate."""
    clip: Positive | None
    """The gradients' norm is cut to this; null leaves it."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None
    """Decay, a step, of a moving average of the weights, which is then validated and handed on; null for none."""
    transforms: Transforms
    """Augmentation, drawn anew for every example in every epoch."""
    monitor: Literal["val_loss", "val_accuracy"]
    """What picks the best epoch, whose weights are kept."""
    patience: Count | None
    """Stop after so many epochs without a better `monitor`; null means never."""
    stop_at: NotNegative | None
    """Stop as soon as `monitor` has reached this; null means never."""
    seed: Seed
    """Seed of the first weights, of the order, of augmentation and of dropout."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"]
    """What to train on, as in Lightning."""
    devices: Count
    """Devices on this node; with more than one, a process each."""
    nodes: Count
    """Machines that train together; each starts the same command under torchrun or SLURM."""
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"]
    """How devices work together, as in Lightning; the last one is for networks of which some parts stand still."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]
    """Number format, as in Lightning."""
    channels_last: bool
    """Keep images with a pixel's channels side by side: faster for most convolutions."""
    compile: bool
    """Compile the network by torch.compile first: minutes that a long training gets back."""
    threads: CountOrZero
    """CPU threads; the same number gives the same bits. 0 leaves it to torch."""
    checkpoint_minutes: Positive
    """After so many minutes within an epoch a checkpoint is written, as after every epoch."""
    log_steps: CountOrZero
    """Track loss and learning rate every so many steps; 0 means only once an epoch."""

    def __post_init__(self) -> None:
        """An accuracy ends at 1; and each part of a step has an example."""
        if self.accumulate > self.batch_size:
            raise ValueError(
                f"accumulate={self.accumulate} with batch_size={self.batch_size}: more parts than examples; accepted: "
                f"up to {self.batch_size}"
            )
        if self.monitor == "val_accuracy" and (self.stop_at or 0) > 1:
            raise ValueError(f"stop_at={self.stop_at} with monitor=val_accuracy: it is a share; accepted: up to 1")

    @property
    def processes(self) -> tuple[int, int]:
        """Devices on this node, and nodes."""
        return self.devices, self.nodes


@dataclass(frozen=True, config=STRICT)
class ScikitLearn:
    method: Literal["scikit_learn"]
    """A model that scikit-learn finds in one go."""
    normalise: Normalisation
    """How an example's numbers are scaled before the model meets them."""
    seed: Seed
    """Seed of whatever the model draws."""
    threads: CountOrZero
    """CPU threads; 0 means all."""

    @property
    def processes(self) -> tuple[int, int]:
        """One, on one machine."""
        return 1, 1


TRAININGS = {"gradient_descent": GradientDescent, "scikit_learn": ScikitLearn}
Training = GradientDescent | ScikitLearn
