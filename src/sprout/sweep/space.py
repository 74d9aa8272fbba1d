"""The search space: parameters of the section as Optuna's distributions, and drawn params as overrides."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from sprout.config.search_space import Choices, FloatRange, IntRange, LogIntRange, LogRange, Parameter, Space
from sprout.config.validate import written


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of each parameter without a condition, by its path."""
    return {path: distribution(parameter) for path, parameter in space.items() if parameter.when is None}


def powers_of_two(space: Space) -> dict[str, tuple[int, int]]:
    """Return the bounds of the parameters of which only powers of two are drawn."""
    return {
        path: (each.low, each.high)
        for path, each in space.items()
        if isinstance(each, LogIntRange) and each.powers_of_two
    }


def suggest(trial: Trial, path: str, parameter: Parameter) -> None:
    """Draw one more parameter of a trial."""
    match distribution(parameter):
        case FloatDistribution(low=low, high=high, log=log, step=step):
            trial.suggest_float(path, low, high, log=log, step=step)
        case IntDistribution(low=low, high=high, log=log, step=step):
            trial.suggest_int(path, low, high, log=log, step=step)
        case CategoricalDistribution(choices=choices):
            trial.suggest_categorical(path, choices)


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return Optuna's distribution of one parameter."""
    match parameter:
        case FloatRange(low=low, high=high, step=step):
            return FloatDistribution(low, high, step=step)
        case LogRange(low=low, high=high):
            return FloatDistribution(low, high, log=True)
        case LogIntRange(low=low, high=high):
            return IntDistribution(low, high, log=True)
        case IntRange(low=low, high=high, step=step):
            return IntDistribution(low, high, step=step)
        case Choices(choices=choices):
            return CategoricalDistribution([stored(choice) for choice in choices])


def stored(choice: Any) -> Any:
    """Return a choice as Optuna's storages take it: a list as text."""
    return written(list(choice)) if isinstance(choice, tuple) else choice


def to_settings(space: Space, params: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that Optuna's params stand for."""
    return {path: setting_of(space[path], value) for path, value in params.items()}


def setting_of(parameter: Parameter, value: Any) -> Any:
    """Return the setting of one param; a choice that is a list was stored as text.

    Raises:
        ValueError: it is no choice; 0 is not 0.0, though Optuna takes the one for the other.
    """
    if not isinstance(parameter, Choices):
        return value
    same = (each for each in parameter.choices if type(stored(each)) is type(value) and stored(each) == value)
    found = next(same, None)
    if found is None and not (value is None and None in parameter.choices):
        raise ValueError(f"{value!r} is none of the choices {list(parameter.choices)}")
    return found


def override(conf: Path, path: str, value: Any) -> str:
    """Return a setting as an override in Hydra's grammar; text picks a file where the path is a group of `conf`."""
    group = path.replace(".", "/")
    key = group if isinstance(value, str) and (conf / group).is_dir() else path
    return f"{key}={quote(value)}"


def quote(value: Any) -> str:
    """Write a value so that Hydra's grammar reads the same value."""
    match value:
        case str() if (
            value.replace("_", "").isalnum() and value[0].isalpha() and value not in ("true", "false", "null")
        ):
            return value
        case str():
            return str(QuotedString(value, Quote.double).with_quotes())
        case tuple() | list():
            return f"[{','.join(map(quote, value))}]"
        case _:
            return written(value)


def extremes(parameter: Parameter) -> list[Any]:
    """Return the values to check: both bounds, or each choice."""
    return list(parameter.choices) if isinstance(parameter, Choices) else [parameter.low, parameter.high]


def format_value(value: Any) -> str:
    """Format a setting for people."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else written(value)


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Return the last word of each path if it is unique among them, else the whole path."""
    words = {path: path.rpartition(".")[2] for path in paths}
    return {path: word if list(words.values()).count(word) == 1 else path for path, word in words.items()}
