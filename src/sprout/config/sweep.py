"""Section `sweep`: what the command `sprout sweep` searches, and how; no build reads it."""

import re
from collections.abc import Iterator
from dataclasses import fields
from math import isclose
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config import validate
from sprout.config.fields import STRICT, Count, Positive, Seed
from sprout.runtime.errors import UserError

Finite = Annotated[float, Field(allow_inf_nan=False)]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
Direction = Literal["maximize", "minimize"]
Scalar = bool | int | float | str | None
SEARCHED = ("model", "train")
"""The sections that a trial reads; another one would ask for other data."""
NOT_SEARCHED = ("train.accelerator", "train.devices", "train.nodes", "train.seed", "train.threads")
"""What the sweep itself sets or needs to be the same for all trials."""


@dataclass(frozen=True, config=STRICT)
class FloatRange:
    kind: Literal["float"]
    """A number, each as likely as any other."""
    low: Finite
    """The smallest."""
    high: Finite
    """The largest."""
    step: Positive | None
    """The numbers are low, low + step, …; null takes any between."""

    def __post_init__(self) -> None:
        """Something lies between, and the steps lead to the end."""
        check_bounds(self.low, self.high)
        if self.step is not None:
            check_step(self.low, self.high, self.step)


@dataclass(frozen=True, config=STRICT)
class LogRange:
    kind: Literal["log"]
    """A number whose order of magnitude is drawn."""
    low: Positive
    """The smallest."""
    high: Positive
    """The largest."""

    def __post_init__(self) -> None:
        """Something lies between."""
        check_bounds(self.low, self.high)


@dataclass(frozen=True, config=STRICT)
class IntRange:
    kind: Literal["int"]
    """A whole number."""
    low: int
    """The smallest."""
    high: int
    """The largest."""
    step: Count
    """The numbers are low, low + step, …"""

    def __post_init__(self) -> None:
        """Something lies between, and the steps lead to the end."""
        check_bounds(self.low, self.high)
        check_step(self.low, self.high, self.step)


@dataclass(frozen=True, config=STRICT)
class Choices:
    kind: Literal["choice"]
    """One of a list."""
    choices: tuple[Scalar | tuple[Scalar, ...], ...]
    """Values, lists of values, or names of files in `conf/` where the key is a group such as `model`."""

    def __post_init__(self) -> None:
        """Two at least, each once."""
        if len(self.choices) < 2:
            raise ValueError(f"choices={validate.written(list(self.choices))}: at least two")
        told = [validate.written(choice) for choice in self.choices]
        if len(set(told)) != len(told):
            raise ValueError(f"choices=[{', '.join(told)}]: one of them stands twice")


Parameter = FloatRange | LogRange | IntRange | Choices
KINDS: dict[str, type[Parameter]] = {"float": FloatRange, "log": LogRange, "int": IntRange, "choice": Choices}
Space = dict[str, Parameter]
"""What is searched, by the dotted path of the setting."""


@dataclass(frozen=True, config=STRICT)
class Objective:
    metric: str
    """A figure of the trained model on val, such as val_accuracy, val_loss or val_mae; or parameters, their number."""
    direction: Direction
    """Which way is better."""


@dataclass(frozen=True, config=STRICT)
class Sweep:
    name: str
    """Of the study, beside the experiment's: the same names go on with the same study."""
    trials: Count
    """How many shall be complete or pruned in all, however often the sweep is ended and begun again."""
    timeout: Positive | None
    """After so many minutes of this command no trial begins; null means never."""
    sampler: Literal["tpe", "random", "nsga2"]
    """What picks the settings to try: a Parzen estimator of good and bad ones (Bergstra et al., 2011), chance, or
    evolution (NSGA-II: Deb et al., 2002)."""
    pruner: Literal["successive_halving", "hyperband", "median", "none"]
    """What ends a trial early: after 1, 8, 64, … epochs it waits until it is among the best fifth, and is pruned where
    that does not come (asynchronous successive halving: Li et al., 2020); several ladders that prune at once
    (Hyperband: Li et al., 2018); a value worse than the median; or nothing."""
    workers: Count
    """Trials at the same time, a process each; the cores are divided among them, a GPU belongs to one."""
    seeds: Count
    """A trial's value is the mean over so many trainings, of train.seed, train.seed + 1, …; the first may be pruned."""
    seed: Seed
    """Of the sampler."""
    objective: Annotated[tuple[Objective, ...], Field(min_length=1)]
    """What is sought; of several, the best compromises."""
    space: dict[str, Any]
    """What is searched: nested like the config itself, a parameter (float, log, int, choice) in place of each value."""

    def __post_init__(self) -> None:
        """The name is that of a folder; Optuna prunes by one figure; and a metric has one direction."""
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"name={self.name}: accepted are up to 64 letters, digits, `_`, `.` and `-`, a letter or digit first"
            )
        metrics = [objective.metric for objective in self.objective]
        if len(set(metrics)) != len(metrics):
            raise ValueError(f"objective=[{', '.join(metrics)}]: a metric stands twice")
        if len(metrics) > 1 and self.pruner != "none":
            raise ValueError(
                f"pruner={self.pruner} with {len(metrics)} objectives: trials are pruned by one alone; accepted: none"
            )


def check_bounds(low: float, high: float) -> None:
    """Check that a range has more than one number."""
    if not low < high:
        raise ValueError(f"low={low} with high={high}: low is below high")


def check_step(low: float, high: float, step: float) -> None:
    """Check that so many steps lead from one end to the other."""
    steps = (high - low) / step
    if not isclose(steps, round(steps), rel_tol=1e-6) or round(steps) < 1:
        raise ValueError(f"step={step} with low={low} and high={high}: high is low + a whole number of steps")


def check_sweep(name: str, values: Any) -> Sweep:
    """Check the section and each of its parameters."""
    sweep = validate.section(name, values, Sweep)
    space_of(sweep)
    return sweep


def space_of(sweep: Sweep) -> Space:
    """The parameters, by their paths.

    Raises:
        UserError: one of them is none, or there are none.
    """
    space = {path: validate.choice(f"sweep.space.{path}", node, "kind", KINDS) for path, node in nodes(sweep.space, "")}
    if not space:
        raise UserError("sweep.space: is empty; name a setting by its path, such as train.lr")
    for path in space:
        if path.split(".")[0] not in SEARCHED:
            raise UserError(
                f"sweep.space.{path}: a trial is one training on the data that is there; accepted: keys of "
                f"{' and '.join(SEARCHED)}"
            )
        if path in NOT_SEARCHED:
            raise UserError(f"sweep.space.{path}: is the same for all trials, or the sweep's own to set; leave it out")
    return space


def nodes(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What stands in place of the values: the mappings whose kind is a text."""
    if not isinstance(tree, dict) or isinstance(tree.get("kind"), str) or is_parameter(tree):
        yield path, tree
        return
    for name, inner in tree.items():
        yield from nodes(inner, f"{path}.{name}" if path else str(name))


def is_parameter(tree: dict[str, Any]) -> bool:
    """Whether this would be a parameter but for its kind, which is then named as the fault."""
    known = {field.name for kind in KINDS.values() for field in fields(kind)}
    return bool(tree) and set(tree) <= known and not any(isinstance(value, dict) for value in tree.values())
