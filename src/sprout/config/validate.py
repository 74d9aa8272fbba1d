"""From a plain dictionary to a typed section, or one line that says what is wrong with it."""

import difflib
import json
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from sprout.runtime.errors import UserError

T = TypeVar("T")
UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
"""Pydantic's types of the fault that a key is not known."""
TAGGED = ("form", "task")
"""Keys whose section says by its own key `kind` which keys it has."""
TRIED = ("constrained-", "tuple[", "function-")
"""How pydantic begins the names of types that it has tried."""
WORDS = {
    "an object": "a section of keys",
    "a valid array": "a list",
    "a valid boolean": "true or false",
    "a valid string": "a text",
    "String": "text",
}
"""Pydantic's words for kinds of values, and ours."""


def section(name: str, values: Any, kind: type[T]) -> T:
    """Check the values of one section against its dataclass.

    Raises:
        UserError: an unknown or a missing key, a wrong type, or a value out of range.
    """
    if not isinstance(values, dict):
        raise UserError(f"{name}={written(values)}: is not a section; it holds {', '.join(keys(kind))}")
    try:
        # JSON is the one strict mode in which a list fits a tuple.
        return TypeAdapter(kind).validate_json(json.dumps(values))
    except ValidationError as error:
        raise UserError(explain(name, error, kind)) from None
    except TypeError:
        raise UserError(
            f"{name}={values!r}: only texts, numbers, true, false, null, lists and keys are accepted"
        ) from None


def choice(name: str, values: Any, key: str, kinds: Mapping[str, type[T]]) -> T:
    """The same where `key` says which of several dataclasses the section is."""
    if not isinstance(values, dict):
        raise UserError(f"{name}={written(values)}: is not a section; its key {key} is one of {', '.join(kinds)}")
    wanted = values.get(key)
    if not isinstance(wanted, str) or wanted not in kinds:
        near = close(str(wanted), kinds)
        raise UserError(f"{name}.{key}={written(wanted)}: unknown{near}; accepted: {', '.join(kinds)}")
    return section(name, values, kinds[wanted])


def explain(name: str, error: ValidationError, kind: type) -> str:
    """A fault as `key=value: what is accepted`; an unknown key first, as it may be a missing one misspelt."""
    faults = error.errors(include_url=False)
    of_first = [each for each in faults if each["loc"][:1] == faults[0]["loc"][:1]]
    # Of several types that were tried, the one that came furthest.
    furthest = max(of_first, key=lambda each: len(each["loc"]))
    fault = next((each for each in faults if each["type"] in UNKNOWN), furthest)
    where = ".".join([name, *map(str, without_kinds(fault["loc"]))])
    message = fault["msg"].removeprefix("Input ").removeprefix("Value error, ")
    if fault["type"] in UNKNOWN:
        known = keys(inner(kind, fault["loc"][:-1]))
        near = close(str(fault["loc"][-1]), known)
        return f"{where}={written(fault['input'])}: no such key{near}; accepted: {', '.join(known)}"
    if fault["type"] in ("missing", "missing_argument"):
        if isinstance(fault["loc"][-1], int):
            return f"{where}: is missing; the list has too few values"
        return f"{where}: is missing; add it to the section's file in conf/{name.split('.')[0]}/"
    if fault["type"] == "union_tag_invalid":
        context = fault["ctx"]
        key, tag = context["discriminator"].strip("'"), context["tag"]
        return f"{where}.{key}={written(tag)}: unknown; accepted: {context['expected_tags'].replace(chr(39), '')}"
    if fault["type"] == "union_tag_not_found":
        return f"{where}.kind: is missing; it says which keys {where} has"
    if fault["type"] == "value_error" and isinstance(fault["input"], dict):
        return f"{where}.{message}"  # a section's keys do not fit together; it names them
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    return f"{where}={written(fault['input'])}: {message}"


def without_kinds(path: tuple[int | str, ...]) -> list[int | str]:
    """A fault's place as the config spells it: pydantic puts the kind of a section (`form.paths.file`) between, and
    which of several types it has tried (`constrained-int`).
    """
    places = [step for before, step in zip(("", *path), path, strict=False) if before not in TAGGED]
    return [step for step in places if not (isinstance(step, str) and step.startswith(TRIED))]


def inner(kind: Any, path: tuple[int | str, ...]) -> Any:
    """The dataclass that stands inside another one at a path of field names and kinds."""
    for step in path:
        if step in getattr(kind, "__dataclass_fields__", {}):
            kind = kind.__dataclass_fields__[step].type
        else:
            kind = next(each for each in get_args(get_args(kind)[0]) if step in get_args(each.__annotations__["kind"]))
    return kind


def keys(kind: type) -> list[str]:
    """The names of a section's keys."""
    return list(kind.__dataclass_fields__)  # type: ignore[attr-defined]


def written(value: Any) -> str:
    """A value on one line, as JSON has it; what JSON has no word for, as Python has it."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def close(word: str, known: Any) -> str:
    """` (did you mean …?)` where a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
