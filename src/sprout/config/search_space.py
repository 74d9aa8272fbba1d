"""The parameters of a sweep's search space, nested like the config, in place of its values."""

from collections.abc import Iterator
from dataclasses import fields
from math import isclose
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config import validate
from sprout.config.fields import STRICT, Count, Positive
from sprout.runtime.errors import UserError

Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = bool | int | float | str | None
SEARCHED = ("model", "train")
"""The sections that can be searched; the others would change the data."""
NOT_SEARCHED = ("train.accelerator", "train.devices", "train.nodes", "train.seed", "train.threads")
"""Settings that the sweep sets, or that must be the same for all trials."""
WHEN = "when"
Condition = dict[str, Scalar | tuple[Scalar, ...]]
"""Values of settings by their keys, or lists of such values."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Conditional:
    when: Condition | None = None
    """The parameter is only drawn in trials whose other settings have these values, or one of a list of values, such as
    {train.optimizer.name: sgd}. Parameters with a condition are drawn last, in the order of the space."""


@dataclass(frozen=True, config=STRICT)
class FloatRange(Conditional):
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
class LogRange(Conditional):
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
class LogIntRange(Conditional):
    kind: Literal["log_int"]
    """An integer whose logarithm is drawn uniformly."""
    low: Count
    """Lower bound."""
    high: Count
    """Upper bound."""
    powers_of_two: bool
    """Whether only powers of two are drawn, such as 8, 16, 32; the bounds are powers of two, too."""

    def __post_init__(self) -> None:
        """Check the bounds, and that they are powers of two where only these are drawn."""
        check_bounds(self.low, self.high)
        for name, bound in (("low", self.low), ("high", self.high)):
            if self.powers_of_two and bound.bit_count() != 1:
                near = 1 << (bound.bit_length() - 1)
                raise ValueError(f"{name}={bound}: powers_of_two accepts powers of two, such as {near} or {2 * near}")


@dataclass(frozen=True, config=STRICT)
class IntRange(Conditional):
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
class Choices(Conditional):
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


Parameter = FloatRange | LogRange | IntRange | LogIntRange | Choices
KINDS: dict[str, type[Parameter]] = {
    "float": FloatRange,
    "log": LogRange,
    "int": IntRange,
    "log_int": LogIntRange,
    "choice": Choices,
}
Space = dict[str, Parameter]
"""Parameters by the dotted keys of their settings."""


def check_bounds(low: float, high: float) -> None:
    """Check that the lower bound is below the upper one."""
    if not low < high:
        raise ValueError(f"low={low} with high={high}: low should be below high")


def check_step(low: float, high: float, step: float) -> None:
    """Check that a whole number of steps leads from low to high."""
    steps = (high - low) / step
    if not isclose(steps, round(steps), rel_tol=1e-6) or round(steps) < 1:
        raise ValueError(f"step={step} with low={low} and high={high}: high should be low + a whole number of steps")


def parse_space(tree: dict[str, Any]) -> Space:
    """Return the parameters of the search space by their keys.

    Raises:
        UserError: there is none, or one is invalid or cannot be searched.
    """
    space = {path: validate.choice(f"sweep.space.{path}", node, "kind", KINDS) for path, node in nodes(tree, "")}
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
    """Yield the parameters of a nested search space with their keys: the mappings that have a kind.

    A parameter such as train.optimizer may hold those of the keys below it, such as args.momentum.
    """
    if not isinstance(tree, dict):
        yield path, tree
        return
    below = tree
    if isinstance(tree.get("kind"), str) or is_parameter(tree):
        below = {name: inner for name, inner in tree.items() if isinstance(inner, dict) and name != WHEN}
        yield path, {name: value for name, value in tree.items() if name not in below}
    for name, inner in below.items():
        yield from nodes(inner, f"{path}.{name}" if path else str(name))


def is_parameter(tree: dict[str, Any]) -> bool:
    """Return whether a mapping looks like a parameter without a kind, so that the missing kind is reported."""
    known = {field.name for kind in KINDS.values() for field in fields(kind)}
    own = {name: value for name, value in tree.items() if name != WHEN}
    return bool(own) and set(own) <= known and not any(isinstance(value, dict) for value in own.values())
