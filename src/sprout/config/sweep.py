"""Section `sweep`: the search space and settings of the command `sprout sweep`; no stage reads it."""

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
"""The sections that can be searched; the others would change the data."""
NOT_SEARCHED = ("train.accelerator", "train.devices", "train.nodes", "train.seed", "train.threads")
"""Settings that the sweep sets, or that must be the same for all trials."""


@dataclass(frozen=True, config=STRICT)
class FloatRange:
    kind: Literal["float"]
    """A number, drawn uniformly."""
    low: Finite
    """Lower bound."""
    high: Finite
    """Upper bound."""
    step: Positive | None
    """The values are low, low + step, …, high; null means any number between low and high."""

    def __post_init__(self) -> None:
        """Check the bounds, and that they differ by a whole number of steps."""
        check_bounds(self.low, self.high)
        if self.step is not None:
            check_step(self.low, self.high, self.step)


@dataclass(frozen=True, config=STRICT)
class LogRange:
    kind: Literal["log"]
    """A number whose logarithm is drawn uniformly."""
    low: Positive
    """Lower bound."""
    high: Positive
    """Upper bound."""

    def __post_init__(self) -> None:
        """Check the bounds."""
        check_bounds(self.low, self.high)


@dataclass(frozen=True, config=STRICT)
class IntRange:
    kind: Literal["int"]
    """An integer, drawn uniformly."""
    low: int
    """Lower bound."""
    high: int
    """Upper bound."""
    step: Count
    """The values are low, low + step, …, high."""

    def __post_init__(self) -> None:
        """Check the bounds, and that they differ by a whole number of steps."""
        check_bounds(self.low, self.high)
        check_step(self.low, self.high, self.step)


@dataclass(frozen=True, config=STRICT)
class Choices:
    kind: Literal["choice"]
    """An element of a list."""
    choices: tuple[Scalar | tuple[Scalar, ...], ...]
    """Values, lists of values, or names of files in `conf/` if the key is a group such as `model`."""

    def __post_init__(self) -> None:
        """Check that there are at least two choices, and no duplicates."""
        if len(self.choices) < 2:
            raise ValueError(f"choices={validate.written(list(self.choices))}: should have at least two")
        texts = [validate.written(choice) for choice in self.choices]
        if len(set(texts)) != len(texts):
            raise ValueError(f"choices=[{', '.join(texts)}]: a choice appears twice; remove it")


Parameter = FloatRange | LogRange | IntRange | Choices
KINDS: dict[str, type[Parameter]] = {"float": FloatRange, "log": LogRange, "int": IntRange, "choice": Choices}
Space = dict[str, Parameter]
"""Parameters by the dotted keys of their settings."""


@dataclass(frozen=True, config=STRICT)
class Objective:
    metric: str
    """A metric of the trained model on val, such as val_accuracy or val_loss, or `parameters`, the number of
    trained parameters."""
    direction: Direction
    """Whether larger or smaller values are better."""


@dataclass(frozen=True, config=STRICT)
class Sweep:
    name: str
    """The study is named EXPERIMENT-NAME; a sweep resumes the study of that name."""
    trials: Count
    """Total of complete and pruned trials, over all runs of the command."""
    timeout: Positive | None
    """Minutes after which the command starts no further trial; null means no limit."""
    sampler: Literal["tpe", "random", "nsga2"]
    """How settings are drawn: tree-structured Parzen estimator (Bergstra et al., 2011), random, or evolution (NSGA-II:
    Deb et al., 2002)."""
    pruner: Literal["successive_halving", "hyperband", "median", "none"]
    """How trials are pruned: after 1, 8, 64, … epochs unless in the best quarter so far (asynchronous successive
    halving: Li et al., 2020), by Hyperband (Li et al., 2018), when worse than the median of the others, or never."""
    workers: Count
    """Trials that run at the same time, each in its own process; cores and GPUs are divided among them."""
    seeds: Count
    """Trainings of each trial, with train.seed, train.seed + 1, …; its value is their mean. Only the first can
    be pruned."""
    seed: Seed
    """Seed of the sampler."""
    objective: Annotated[tuple[Objective, ...], Field(min_length=1)]
    """What is optimised; several objectives give a Pareto front."""
    space: dict[str, Any]
    """The search space, nested like the config, with a parameter (float, log, int, choice) in place of a value."""

    def __post_init__(self) -> None:
        """Check that the name can be a folder's, that metrics are unique, and that pruning has a single objective."""
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"name={self.name}: accepted: up to 64 letters, digits, `_`, `.` and `-`, a letter or digit first"
            )
        metrics = [objective.metric for objective in self.objective]
        if len(set(metrics)) != len(metrics):
            raise ValueError(f"objective=[{', '.join(metrics)}]: a metric appears twice; remove it")
        if len(metrics) > 1 and self.pruner != "none":
            raise ValueError(
                f"pruner={self.pruner} with {len(metrics)} objectives: pruning needs a single one; accepted: none"
            )


def check_bounds(low: float, high: float) -> None:
    """Check that the lower bound is below the upper one."""
    if not low < high:
        raise ValueError(f"low={low} with high={high}: low should be below high")


def check_step(low: float, high: float, step: float) -> None:
    """Check that a whole number of steps leads from low to high."""
    steps = (high - low) / step
    if not isclose(steps, round(steps), rel_tol=1e-6) or round(steps) < 1:
        raise ValueError(f"step={step} with low={low} and high={high}: high should be low + a whole number of steps")


def check_sweep(name: str, values: Any) -> Sweep:
    """Return the section, with its search space checked."""
    sweep = validate.section(name, values, Sweep)
    space_of(sweep)
    return sweep


def space_of(sweep: Sweep) -> Space:
    """Return the parameters of the search space by their keys.

    Raises:
        UserError: there is none, or one is invalid or cannot be searched.
    """
    space = {path: validate.choice(f"sweep.space.{path}", node, "kind", KINDS) for path, node in nodes(sweep.space, "")}
    if not space:
        raise UserError("sweep.space: is empty; add a setting by its key, such as train.lr")
    for path in space:
        if path.split(".")[0] not in SEARCHED:
            raise UserError(
                f"sweep.space.{path}: cannot be searched, because all trials use the prepared data; accepted: keys "
                f"of {' and '.join(SEARCHED)}"
            )
        if path in NOT_SEARCHED:
            raise UserError(f"sweep.space.{path}: is the same for all trials or set by the sweep; remove it")
    return space


def nodes(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a nested search space with their keys: the mappings that have a kind."""
    if not isinstance(tree, dict) or isinstance(tree.get("kind"), str) or is_parameter(tree):
        yield path, tree
        return
    for name, inner in tree.items():
        yield from nodes(inner, f"{path}.{name}" if path else str(name))


def is_parameter(tree: dict[str, Any]) -> bool:
    """Return whether a mapping looks like a parameter without a kind, so that the missing kind is reported."""
    known = {field.name for kind in KINDS.values() for field in fields(kind)}
    return bool(tree) and set(tree) <= known and not any(isinstance(value, dict) for value in tree.values())
