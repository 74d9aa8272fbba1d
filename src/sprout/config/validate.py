"""Turns a dictionary into a typed section, or reports what is wrong with it in one line."""

import difflib
import json
from collections.abc import Mapping
from functools import reduce
from types import UnionType
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from sprout.config.environment import with_environment
from sprout.runtime.errors import UserError

T = TypeVar("T")
UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")
"""Pydantic's error types for an unknown key."""
TAGGED = ("format", "task", "method")
"""Keys of subsections whose key `kind` selects their dataclass."""
UNION_MEMBERS = ("constrained-", "tuple[", "function-")
"""Prefixes of pydantic's names for the members of a union."""
WORDS = {
    "an object": "a section with keys",
    "a valid array": "a list",
    "a valid boolean": "true or false",
    "a valid string": "a string",
    "String": "string",
}
"""Pydantic's words for types and the words of a config."""


class UnknownKeyError(UserError):
    """A section has a key that its dataclass does not have."""

    def __init__(self, message: str, key: str, known: list[str]) -> None:
        """Take the message, the dotted key, and the keys that there are in its place."""
        super().__init__(message)
        self.key, self.known = key, known


def section(name: str, values: Any, kind: type[T]) -> T:
    """Return one section as its dataclass, with the values of environment variables that it names.

    Raises:
        UserError: an unknown or a missing key, a wrong type, or a value out of range.
    """
    if not isinstance(values, dict):
        raise UserError(f"{name}={written(values)}: is not a section; its keys are {', '.join(keys(kind))}")
    found = with_environment(name, values)
    try:
        # Only in JSON mode does strict validation accept a list for a tuple.
        return TypeAdapter(kind).validate_json(json.dumps(found))
    except ValidationError as error:
        message, unknown = explain(name, error, kind, values), unknown_key(name, error, kind)
        raise (UnknownKeyError(message, *unknown) if unknown else UserError(message)) from None
    except TypeError:
        raise UserError(
            f"{name}={values!r}: only strings, numbers, true, false, null, lists and sections are accepted"
        ) from None


def choice(name: str, values: Any, key: str, kinds: Mapping[str, type[T]]) -> T:
    """Return a section whose `key` selects one of several dataclasses, as `section` does.

    Raises:
        UserError: an unknown choice, an unknown or a missing key, a wrong type, or a value out of range.
    """
    if not isinstance(values, dict):
        raise UserError(f"{name}={written(values)}: is not a section; its key {key} is one of {', '.join(kinds)}")
    chosen = with_environment(f"{name}.{key}", values.get(key))
    if not isinstance(chosen, str) or chosen not in kinds:
        near = close(str(chosen), kinds)
        raise UserError(f"{name}.{key}={written(values.get(key))}: unknown{near}; accepted: {', '.join(kinds)}")
    return section(name, values, kinds[chosen])


def unknown_key(name: str, error: ValidationError, kind: type) -> tuple[str, list[str]] | None:
    """Return the first unknown key, dotted, and the keys that there are in its place; None where all are known."""
    for each in error.errors(include_url=False):
        if each["type"] in UNKNOWN_KEY:
            where = ".".join([name, *map(str, config_path(each["loc"]))])
            return where, keys(dataclass_at(kind, each["loc"][:-1]))
    return None


def explain(name: str, error: ValidationError, kind: type, values: Any = None) -> str:
    """Return one error as `key=value: what is accepted`.

    An unknown key comes first, because it may be a misspelt key that is missing. Of the members of a union, the one
    whose error is deepest is reported. Values are shown as they were given in `values`: `${oc.env:NAME}` as it is.
    """
    errors = error.errors(include_url=False)
    of_first_key = [each for each in errors if each["loc"][:1] == errors[0]["loc"][:1]]
    deepest = max(of_first_key, key=lambda each: len(each["loc"]))
    fault = next((each for each in errors if each["type"] in UNKNOWN_KEY), deepest)
    where = ".".join([name, *map(str, config_path(fault["loc"]))])
    message = fault["msg"].removeprefix("Input ").removeprefix("Value error, ")
    given = written(value_at(values, config_path(fault["loc"]), fault["input"]))
    if fault["type"] in UNKNOWN_KEY:
        known = keys(dataclass_at(kind, fault["loc"][:-1]))
        near = close(str(fault["loc"][-1]), known)
        return f"{where}={given}: no such key{near}; accepted: {', '.join(known)}"
    if fault["type"] in ("missing", "missing_argument"):
        if isinstance(fault["loc"][-1], int):
            return f"{where}: is missing; the list has too few values"
        return f"{where}: is missing; add it to the section's file in conf/{name.split('.')[0]}/"
    if fault["type"] == "union_tag_invalid":
        context = fault["ctx"]
        key, tag = context["discriminator"].strip("'"), context["tag"]
        given = written(value_at(values, [*config_path(fault["loc"]), key], tag))
        return f"{where}.{key}={given}: unknown; accepted: {context['expected_tags'].replace(chr(39), '')}"
    if fault["type"] == "union_tag_not_found":
        return f"{where}.kind: is missing; it selects the keys of {where}"
    if fault["type"] == "value_error" and isinstance(fault["input"], dict):
        return f"{where}.{message}"  # the message of a `__post_init__` begins with the key
    for pydantic_word, word in WORDS.items():
        message = message.replace(pydantic_word, word)
    return f"{where}={given}: {message}"


def value_at(values: Any, path: list[int | str], otherwise: Any) -> Any:
    """Return the value at a path of keys and indices; `otherwise` where there is none."""
    try:
        return reduce(lambda inner, step: inner[step], path, values)
    except (KeyError, IndexError, TypeError):
        return otherwise


def config_path(path: tuple[int | str, ...]) -> list[int | str]:
    """Return the path of an error in the config.

    Pydantic adds the kind of a section (`format.paths.file`) and the member of a union (`constrained-int`) to it.
    """
    untagged = [step for before, step in zip(("", *path), path, strict=False) if before not in TAGGED]
    return [step for step in untagged if not (isinstance(step, str) and step.startswith(UNION_MEMBERS))]


def dataclass_at(kind: Any, path: tuple[int | str, ...]) -> Any:
    """Return the dataclass inside of another one at a path of field names and kinds."""
    for step in path:
        if step in getattr(kind, "__dataclass_fields__", {}):
            kind = without_none(kind.__dataclass_fields__[step].type)
        else:
            kind = next(each for each in get_args(get_args(kind)[0]) if step in get_args(each.__annotations__["kind"]))
    return kind


def without_none(kind: Any) -> Any:
    """Return a field's type without null."""
    kinds = [each for each in get_args(kind) if each is not type(None)]
    return kinds[0] if isinstance(kind, UnionType) and len(kinds) == 1 else kind


def keys(kind: type) -> list[str]:
    """Return the keys of a section."""
    return list(kind.__dataclass_fields__)  # type: ignore[attr-defined]


def written(value: Any) -> str:
    """Format a value on one line, as JSON, or as Python does if JSON cannot."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def close(word: str, known: Any) -> str:
    """Return ` (did you mean …?)` if a known word is similar, else an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
