"""Sections `train` (the teacher) and `retrain` (the student). The key `method` selects one of these classes."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from sprout.config.augment import Transforms
from sprout.config.environment import with_environment
from sprout.config.fields import STRICT, Count, CountOrZero, Devices, Name, NotNegative, Positive, Seed, Share
from sprout.config.model import Estimator, Model
from sprout.config.validate import close, section, written
from sprout.config.workspace import Build
from sprout.methods import ScikitLearn, StepMethod
from sprout.methods.base import Policy, StepSettings
from sprout.methods.scikit_learn import task_of
from sprout.runtime.launch import available_devices
from sprout.tasks import AnyTask
from sprout.tasks.base import Task

OPTIMIZERS = {
    "adam": "torch.optim.Adam",
    "adamw": "torch.optim.AdamW",
    "sgd": "torch.optim.SGD",
    "rmsprop": "torch.optim.RMSprop",
    "muon": "sprout.engine.muon.Muon",
}
"""Registered names and their classes."""

Normalisation = Literal["standard", "min_max", "none", "imagenet"]
"""How inputs are scaled, by statistics of the training split: standard to mean 0 and standard deviation 1 of each
channel or feature, min_max to 0..1; none leaves features unchanged, and pixels in 0..1. imagenet takes the mean and
standard deviation that torchvision's pretrained networks expect. The target of a regression is scaled in the same way,
by its own statistics."""


def registered_or_own(name: str) -> str:
    """Check that a string is a registered name, or has the form package.Class."""
    module, _, own = name.rpartition(".")
    if name not in OPTIMIZERS and not (module and own):
        raise ValueError(f"unknown{close(name, OPTIMIZERS)}; accepted: {', '.join(OPTIMIZERS)}, or package.Class")
    return name


@dataclass(frozen=True, config=STRICT)
class Optimizer:
    name: Annotated[Name, AfterValidator(registered_or_own)]
    """A name in OPTIMIZERS, or `package.Class`, a subclass of torch.optim.Optimizer whose file is under `src/` and in
    the deps of the stages train and retrain in dvc.yaml. muon (Jordan et al., 2024) updates matrices and kernels, and
    all other parameters by AdamW."""
    weight_decay: NotNegative
    """Weight decay: L2 for sgd, adam and rmsprop, decoupled for adamw and muon."""
    decay: Literal["weights", "all"]
    """What decays: weights excludes biases and the parameters of norm layers, all includes them."""
    args: dict[str, Any]
    """Further keyword arguments of the optimizer, such as `momentum`."""

    def __post_init__(self) -> None:
        """Refuse arguments that have their own key, which would silently override them."""
        for key, own in (("lr", "lr"), ("weight_decay", "optimizer.weight_decay")):
            if key in self.args:
                raise ValueError(f"args.{key} has its own key; set {own} of the section instead")


@dataclass(frozen=True, config=STRICT)
class Schedule:
    name: Literal["constant", "step", "cosine", "one_cycle"]
    """The learning rate after the warm-up: constant, decayed in steps, decayed to 0 by a cosine, or increased and
    decreased linearly (Smith, 2018)."""
    warmup: Share
    """Fraction of all steps in which the learning rate rises linearly from 0 (one_cycle: to its peak)."""
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    """Fractions of all steps after which the learning rate decays; only for the schedule step."""
    gamma: Annotated[float, Field(gt=0, lt=1)] | None
    """Factor of the decay at each milestone; only for the schedule step."""
    cycles: Count
    """How often the schedule cosine runs, each time with its warm-up and from the base learning rate again (warm
    restarts: Loshchilov and Hutter, 2017); 1 for the others."""

    def __post_init__(self) -> None:
        """Check that milestones, gamma and cycles are set for the schedule that has them, and for no other."""
        if self.name != "cosine" and self.cycles != 1:
            raise ValueError(f"cycles={self.cycles} with name={self.name}: only cosine has cycles; the others need 1")
        if (self.name == "step") != bool(self.milestones):
            raise ValueError(
                f"milestones={list(self.milestones)} with name={self.name}: step needs a list such as [0.5, 0.75], "
                "the others need []"
            )
        if (self.name == "step") != (self.gamma is not None):
            raise ValueError(
                f"gamma={written(self.gamma)} with name={self.name}: step needs a factor such as 0.1, the others "
                "need null"
            )


@dataclass(frozen=True, config=STRICT)
class Unfreeze:
    epochs: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Only the head is trained at first. After so many epochs each, the next group of layers joins it, deepest first
    (Howard and Ruder, 2018). There are as many groups as numbers."""
    lr_multipliers: tuple[Annotated[Positive, Field(le=1)], ...]
    """The learning rate of each group, as a fraction of the head's."""

    def __post_init__(self) -> None:
        """Check that the epochs rise, and that each has a multiplier."""
        if len(self.lr_multipliers) != len(self.epochs) or sorted(set(self.epochs)) != list(self.epochs):
            raise ValueError(
                f"epochs={list(self.epochs)} with lr_multipliers={list(self.lr_multipliers)}: the epochs must "
                "rise, and each needs a multiplier"
            )


@dataclass(frozen=True, config=STRICT)
class GradientDescent:
    method: Annotated[StepMethod, Field(discriminator="kind")]
    """How a network is trained."""
    task: Annotated[AnyTask, Field(discriminator="kind")]
    """What is learned."""
    normalise: Normalisation
    """How inputs are scaled."""
    start: Literal["pretrained", "scratch", "teacher"]
    """The initial weights: pretrained are those of the stage `pretrained`, where an experiment names some, and random
    ones otherwise; scratch are random ones; teacher are the teacher's, for the section retrain."""
    epochs: Count
    """Maximum number of epochs; each ends with a validation."""
    steps_per_epoch: Count | None
    """Steps of the optimizer in an epoch, so that the training has epochs × steps_per_epoch; examples start over when
    they are used up. null means one pass over the training examples."""
    batch_size: Count
    """Examples in a step, over all devices together."""
    accumulate_grad_batches: Count
    """Number of micro-batches of a step, which are processed one after another to save memory. The step is the same,
    except for batch norm and dropout, which see each micro-batch alone."""
    lr: Positive
    """Base learning rate: the peak of the schedule."""
    optimizer: Optimizer
    """The optimizer."""
    schedule: Schedule
    """How the learning rate changes over the training."""
    unfreeze: Unfreeze | None
    """Gradual unfreezing of pretrained weights; null trains all layers from the start, at the base learning rate."""
    gradient_clip_norm: Positive | None
    """Gradients are clipped to this norm; null means no clipping."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None
    """Decay per step of an exponential moving average (EMA) of the weights, which is then validated and saved; null
    means no EMA."""
    transforms: Transforms
    """Augmentation, with new random draws for every example in every epoch."""
    weak: Transforms
    """The augmentation policy weak, for methods that use it."""
    strong: Transforms
    """The augmentation policy strong, for methods that use it."""
    monitor: Literal["val_loss", "val_accuracy"]
    """The metric that selects the best epoch, whose weights are kept; of equal ones the last."""
    patience: Count | None
    """Stop after this many epochs without improvement of `monitor`; null means never."""
    stopping_threshold: NotNegative | None
    """Stop when `monitor` has reached this value; null means never."""
    seed: Seed
    """Seed of the initial weights, the order of examples, augmentation and dropout."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"]
    """The hardware, as in Lightning."""
    devices: Devices
    """Devices of each node; with more than one, each has its own process. auto means all of the accelerator that there
    are here, as in Lightning; on a CPU one process."""
    nodes: Count
    """Machines that train together; each runs the same command under torchrun or SLURM."""
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"]
    """How devices work together, as in Lightning; the last one is for networks in which some layers get no gradient."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]
    """Floating-point precision, as in Lightning."""
    channels_last: bool
    """Use torch's channels-last memory format, which is faster for most convolutions."""
    compile: bool
    """Compile the network by torch.compile, which takes minutes and pays off in long trainings."""
    threads: CountOrZero
    """CPU threads; results are bitwise equal only for equal numbers. 0 means torch's default."""
    checkpoint_minutes: Positive
    """Minutes between checkpoints within an epoch; one is also written after every epoch."""
    log_steps: CountOrZero
    """Log loss and learning rate every this many steps; 0 means once an epoch."""

    def __post_init__(self) -> None:
        """Check that each micro-batch has an example, and that an accuracy to stop at is at most 1."""
        if self.accumulate_grad_batches > self.batch_size:
            raise ValueError(
                f"accumulate_grad_batches={self.accumulate_grad_batches} with batch_size={self.batch_size}: more "
                f"micro-batches than examples; accepted: up to {self.batch_size}"
            )
        if self.monitor == "val_accuracy" and (self.stopping_threshold or 0) > 1:
            raise ValueError(
                f"stopping_threshold={self.stopping_threshold} with monitor=val_accuracy: an accuracy is at most 1; "
                "accepted: up to 1, such as 0.9 for 90%"
            )

    @property
    def policies(self) -> dict[Policy, Transforms]:
        """Augmentation policies by name."""
        return {"transforms": self.transforms, "weak": self.weak, "strong": self.strong}

    @property
    def processes(self) -> tuple[int, int]:
        """Devices of each node, and nodes; auto depends on the machine and on what torchrun or SLURM has started."""
        devices = available_devices(self.accelerator, self.nodes) if self.devices == "auto" else self.devices
        return devices, self.nodes

    @property
    def learns_from_pool(self) -> bool:
        """Whether the method itself uses unlabelled examples."""
        return self.method.learns_from_pool

    def step_settings(self, processes: int) -> StepSettings:
        """The settings that a method may have to fit, if so many processes share a step."""
        return StepSettings(
            batch_size=self.batch_size,
            micro_batches=self.accumulate_grad_batches,
            processes=processes,
            ema=self.ema,
            active={name for name, transforms in self.policies.items() if transforms.active},
        )

    @property
    def less_is_better(self) -> bool:
        """Whether smaller values of `monitor` are better."""
        return self.monitor == "val_loss"


@dataclass(frozen=True, config=STRICT)
class Fitting:
    method: ScikitLearn
    """A model that scikit-learn fits in a single call."""
    normalise: Normalisation
    """How inputs are scaled."""
    seed: Seed
    """Seed of the model's random draws."""
    threads: CountOrZero
    """CPU threads; 0 means all."""

    @property
    def processes(self) -> tuple[int, int]:
        """One process on one machine."""
        return 1, 1

    @property
    def learns_from_pool(self) -> bool:
        """Whether the method itself uses unlabelled examples: none of scikit-learn's does."""
        return False


Training = GradientDescent | Fitting
TRAININGS: dict[str, type[Training]] = {
    ScikitLearn.name: Fitting,
    **{method.name: GradientDescent for method in get_args(StepMethod)},
}
"""Dataclass of the section by the method's kind."""


def learned_task(training: Training, model: Model) -> type[Task]:
    """The class of the task."""
    if isinstance(training, GradientDescent):
        return type(training.task)
    assert isinstance(model, Estimator), "the sections are checked together"
    return task_of(model)


def check_training(name: str, values: Any) -> Training:
    """Return the section `train` or `retrain`, typed.

    Raises:
        UserError: an unknown or a missing key, a wrong type, or a value out of range.
    """
    method = values.get("method") if isinstance(values, dict) else None
    kind = with_environment(f"{name}.method.kind", method.get("kind")) if isinstance(method, dict) else None
    return section(name, values, TRAININGS.get(str(kind), GradientDescent))


def read_training(build: Build, name: str) -> Training:
    """Return the section `train` or `retrain` of a build, typed."""
    return check_training(name, build.config.get(name))
