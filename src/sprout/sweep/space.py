"""The search space: from the section's parameters to Optuna's distributions, and from a draw to overrides."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from sprout.config.compose import Composed, with_values
from sprout.config.sweep import Choices, FloatRange, IntRange, LogRange, Parameter, Space
from sprout.config.validate import written
from sprout.runtime.errors import UserError


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """What Optuna draws from, by the setting's path."""
    return {path: distribution(parameter) for path, parameter in space.items()}


def distribution(parameter: Parameter) -> BaseDistribution:
    """One parameter's."""
    match parameter:
        case FloatRange(low=low, high=high, step=step):
            return FloatDistribution(low, high, step=step)
        case LogRange(low=low, high=high):
            return FloatDistribution(low, high, log=True)
        case IntRange(low=low, high=high, step=step):
            return IntDistribution(low, high, step=step)
        case Choices(choices=choices):
            return CategoricalDistribution([stored(choice) for choice in choices])


def stored(choice: Any) -> Any:
    """A choice as Optuna's storages take it: a list is a text there."""
    return written(list(choice)) if isinstance(choice, tuple) else choice


def drawn(space: Space, params: dict[str, Any]) -> dict[str, Any]:
    """The settings that Optuna's params stand for."""
    return {path: value_of(space[path], value) for path, value in params.items()}


def value_of(parameter: Parameter, value: Any) -> Any:
    """One setting; a choice that is a list was stored as a text."""
    if not isinstance(parameter, Choices):
        return value
    return next(
        choice for choice in parameter.choices if type(stored(choice)) is type(value) and stored(choice) == value
    )


def override(conf: Path, path: str, value: Any) -> str:
    """A setting as an override, in Hydra's grammar; a text chooses a file where the setting is a group of `conf`."""
    group = path.replace(".", "/")
    key = group if isinstance(value, str) and (conf / group).is_dir() else path
    return f"{key}={in_grammar(value)}"


def in_grammar(value: Any) -> str:
    """A value that Hydra's grammar reads as this very one."""
    match value:
        case str() if (
            value.replace("_", "").isalnum() and value[0].isalpha() and value not in ("true", "false", "null")
        ):
            return value
        case str():
            return str(QuotedString(value, Quote.double).with_quotes())
        case tuple() | list():
            return f"[{','.join(map(in_grammar, value))}]"
        case _:
            return written(value)


def ends(parameter: Parameter) -> list[Any]:
    """The values that must be accepted, for all to be: the outermost, or each choice."""
    return list(parameter.choices) if isinstance(parameter, Choices) else [parameter.low, parameter.high]


def check_space(conf: Path, composed: Composed, space: Space) -> None:
    """Check that there is a setting for each parameter, which accepts all that may be drawn.

    Raises:
        UserError: there is none, or one end of its range is out of the setting's own.
    """
    for path, parameter in space.items():
        for value in ends(parameter):
            try:
                with_values(conf, composed, [override(conf, path, value)])
            except UserError as error:
                raise UserError(f"sweep.space.{path}: {error} (leave it out: ~sweep.space.{path})") from None


def told(value: Any) -> str:
    """A drawn setting as people read it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else written(value)


def last_words(paths: Iterable[str]) -> dict[str, str]:
    """The last word of each path, where no other path has it, else all of it."""
    words = {path: path.rpartition(".")[2] for path in paths}
    return {path: word if list(words.values()).count(word) == 1 else path for path, word in words.items()}
