"""Settings that environment variables give: `${oc.env:NAME}` is written everywhere as it is, and read where it is used.

So no value of the environment reaches `build/config.yaml`, `dvc.lock` or MLflow, and DVC hashes the variable's name.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sprout.runtime.errors import UserError, one_line
from sprout.runtime.secrets import ENVIRONMENT, remember

NAME = re.compile(r"oc\.env:\s*([^,{}\s]+)")
ARGUMENTS = "args"
"""The key of the arguments of a class of the user's own."""
SIMPLE = re.compile(r"[\w./:-]+|\$\{.*\}")
"""Arguments of an interpolation that need no quotes."""


@contextmanager
def environment_as_text() -> Iterator[None]:
    """While the block runs, OmegaConf resolves `${oc.env:NAME}` to itself; other interpolations as ever."""
    from omegaconf import OmegaConf
    from omegaconf.resolvers import oc

    def decode(text: Any, *, _parent_: Any, _node_: Any) -> Any:
        if isinstance(text, str) and ENVIRONMENT.search(text):
            return interpolation("decode", text)
        return oc.decode(text, _parent_, _node_)

    OmegaConf.register_new_resolver("oc.env", lambda *words: interpolation("env", *words), replace=True)
    OmegaConf.register_new_resolver("oc.decode", decode, replace=True)
    try:
        yield
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
        OmegaConf.register_new_resolver("oc.decode", oc.decode, replace=True)


def interpolation(resolver: str, *words: Any) -> str:
    """Return the text of an interpolation with these arguments."""
    return f"${{oc.{resolver}:{','.join(map(argument, words))}}}"


def argument(value: Any) -> str:
    """Return an argument of an interpolation as it is written."""
    text = "null" if value is None else str(value)
    if value == "null" or not SIMPLE.fullmatch(text):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return text


def with_environment(key: str, values: Any, *, arguments: bool = False) -> Any:
    """Return settings with the values of the environment in place of `${oc.env:NAME}`.

    Args:
        key: of the settings, for messages.
        values: a section, or a part of one.
        arguments: whether those of classes of the user's own are replaced, too. Elsewhere they remain as they are until
            the class is called, as model cards hold them.

    Raises:
        UserError: a variable is not set, or its value cannot be read.
    """
    if isinstance(values, dict):
        return {
            name: inner
            if name == ARGUMENTS and not arguments
            else with_environment(f"{key}.{name}", inner, arguments=arguments)
            for name, inner in values.items()
        }
    if isinstance(values, list):
        return [with_environment(key, each, arguments=arguments) for each in values]
    if isinstance(values, str) and ENVIRONMENT.search(values):
        return read(key, values)
    return values


def call_arguments(key: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for a class of the user's own, as `with_environment`."""
    return {name: with_environment(f"{key}.{name}", value, arguments=True) for name, value in values.items()}


def read(key: str, text: str) -> Any:
    """Return the value of a setting that environment variables give; none of theirs is shown from then on.

    Raises:
        UserError: a variable is not set, or its value cannot be read.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    names = NAME.findall(text)
    for name in names:
        remember(os.environ.get(name, ""), f"${{oc.env:{name}}}")
    try:
        return OmegaConf.to_container(OmegaConf.create({"value": text}), resolve=True)["value"]  # type: ignore[index, call-overload]
    except OmegaConfBaseException as error:
        reason = one_line(str(error).splitlines()[0])
    missing = re.search(r"Environment variable '(.*)' not found", reason)
    if missing:
        raise UserError(f'{key}="{text}": the environment variable {missing[1]} is not set; set it, and run this again')
    raise UserError(f'{key}="{text}": {reason}')
