"""Refuses secrets that are written out in settings, as these are kept in `dvc.lock`, in MLflow and in reports."""

import re
from collections.abc import Iterator
from typing import Any

from sprout.config.validate import written
from sprout.runtime.errors import UserError
from sprout.runtime.secrets import STARS, is_secret_name, is_secret_value, redacted, replaced


def refuse_literal_secrets(key: str, values: Any) -> None:
    """Refuse secrets in a section, or a value of it.

    Raises:
        UserError: there is one; the message shows how it is written, and not the secret.
    """
    for path, text in strings(key, values):
        name = path.rpartition(".")[2]
        if redacted(text) != text:
            shown, remedy = redacted(text), replaced(text, from_environment)
        elif is_secret_name(name) and is_secret_value(text):
            shown, remedy = STARS, from_environment(name)
        else:
            continue
        raise UserError(
            f"{redacted(path)}={written(shown)}: a secret that is written out would be kept in build/config.yaml, "
            f"dvc.lock, MLflow and reports; put it into an environment variable, and write {written(remedy)}"
        )


def strings(key: str, values: Any) -> Iterator[tuple[str, str]]:
    """Yield each text with its key; an element of a list has that of the list, and a name in a section its own."""
    if isinstance(values, dict):
        for name, inner in values.items():
            yield key, str(name)
            yield from strings(f"{key}.{name}", inner)
    elif isinstance(values, list | tuple):
        for each in values:
            yield from strings(key, each)
    elif isinstance(values, str):
        yield key, values


def from_environment(what: str) -> str:
    """Return the interpolations for a secret of this name; `user:password` stands for both."""
    names = (re.sub(r"\W+", "_", name).upper() for name in what.split(":"))
    return ":".join(f"${{oc.env:{name}}}" for name in names)
