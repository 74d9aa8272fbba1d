"""From a plain dictionary to a typed section, or one line that says what is wrong with it."""

import difflib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from sprout.errors import UserError

T = TypeVar("T")


def section(name: str, values: Any, kind: type[T]) -> T:
    """Check the values of one section against its dataclass.

    Raises:
        UserError: an unknown or a missing key, a wrong type, or a value out of range.
    """
    if not isinstance(values, dict):
        raise UserError(f"{name}: {values!r} is not a section; it holds {', '.join(keys(kind))}")
    try:
        # JSON is the one strict mode in which a list fits a tuple.
        return TypeAdapter(kind).validate_json(json.dumps(values))
    except ValidationError as error:
        raise UserError(explain(name, error, kind)) from None


def choice(name: str, values: Any, key: str, kinds: Mapping[str, type[T]]) -> T:
    """The same where `key` says which of several dataclasses the section is."""
    wanted = str(values.get(key) if isinstance(values, dict) else values)
    if wanted not in kinds:
        raise UserError(f"{name}.{key}={wanted!r}: unknown{close(wanted, kinds)}; accepted: {', '.join(kinds)}")
    return section(name, values, kinds[wanted])


def explain(name: str, error: ValidationError, kind: type) -> str:
    """The first fault as `key=value: what is accepted`."""
    fault = error.errors(include_url=False)[0]
    where = ".".join([name, *map(str, fault["loc"])])
    message = fault["msg"].removeprefix("Input ").removeprefix("Value error, ")
    if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = keys(kind)
        near = close(str(fault["loc"][-1]), known)
        return f"{where}={fault['input']!r}: no such key{near}; accepted: {', '.join(known)}"
    if fault["type"] in ("missing", "missing_argument"):
        return f"{where}: is missing; add it to the section's file in conf/{name}/"
    return f"{where}={fault['input']!r}: {message.replace('an object', 'a section of keys')}"


def keys(kind: type) -> list[str]:
    """The names of a section's keys."""
    return list(kind.__dataclass_fields__)  # type: ignore[attr-defined]


def close(word: str, known: Any) -> str:
    """`; did you mean …?` where a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
