"""Conditions in a search space: whether they are met, and that they can be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sprout.config.compose import Composed
from sprout.config.recompose import with_values
from sprout.config.search_space import Condition, Space
from sprout.config.tree import lookup
from sprout.config.validate import written
from sprout.runtime.errors import UserError
from sprout.sweep.space import extremes, override


def check_space(conf: Path, composed: Composed, space: Space) -> None:
    """Check that each parameter is a setting which accepts all that may be drawn, where its condition is met.

    Raises:
        UserError: there is no such setting, it does not accept a bound or choice, or its condition is never met.
    """
    for path, parameter in space.items():
        given = meeting(conf, composed, space, path)
        for value in extremes(parameter):
            try:
                with_values(conf, composed, [*given, override(conf, path, value)])
            except UserError as error:
                raise UserError(f"sweep.space.{path}: {error} (leave it out: ~sweep.space.{path})") from None


def holds(condition: Condition, config: dict[str, Any]) -> bool:
    """Return whether the settings of a config have the values of a condition."""
    return all(any(equal(lookup(config, key), each) for each in listed(wanted)) for key, wanted in condition.items())


def equal(value: Any, wanted: Any) -> bool:
    """Return whether two values are the same; true is not 1."""
    return bool(value == wanted) and isinstance(value, bool) is isinstance(wanted, bool)


def listed(wanted: Any) -> tuple[Any, ...]:
    """Return the accepted values of a condition: one, or a list."""
    return wanted if isinstance(wanted, tuple) else (wanted,)


def meeting(conf: Path, composed: Composed, space: Space, path: str) -> list[str]:
    """Return overrides by other parameters with which the condition of a parameter is met; none if it has none.

    Raises:
        UserError: no parameter that is drawn before meets it.
    """
    found: list[str] = []
    for key, wanted in (space[path].when or {}).items():
        condition: Condition = {key: wanted}
        tried = (given for given in candidates(conf, composed, space, path, key))
        if not meets(conf, composed, found, condition):
            given = next((each for each in tried if meets(conf, composed, [*found, *each], condition)), None)
            if given is None:
                raise UserError(
                    f"sweep.space.{path}.when: {key}={written(wanted)}: no parameter that is drawn before makes it so; "
                    f"search {key}, or the file that sets it, or remove the condition"
                )
            found += given
    return found


def candidates(conf: Path, composed: Composed, space: Space, path: str, key: str) -> Iterator[list[str]]:
    """Yield overrides by the parameters that are drawn before one: those without a condition, and earlier ones."""
    paths = list(space)
    for index, other in enumerate(paths):
        if other == path or (space[other].when is not None and index > paths.index(path)):
            continue
        wanted = listed((space[path].when or {})[key]) if other == key else ()
        for value in (*wanted, *extremes(space[other])):
            yield [*meeting(conf, composed, space, other), override(conf, other, value)]


def meets(conf: Path, composed: Composed, overrides: list[str], condition: Condition) -> bool:
    """Return whether a config accepts overrides and then meets a condition."""
    try:
        return holds(condition, with_values(conf, composed, overrides).config)
    except UserError:
        return False
