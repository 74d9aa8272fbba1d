"""Import the user's own classes, `package.Class`, and check their base class."""

from importlib import import_module
from typing import TypeVar

from sprout.runtime.errors import UserError

T = TypeVar("T")


def subclass(key: str, path: str, base: type[T]) -> type[T]:
    """Import a class by its dotted path.

    Raises:
        UserError: it cannot be imported, or is not a subclass of `base`.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise UserError(
            f"{key}={path}: cannot be imported ({error}); give package.Class of a file under src/ "
            "that dvc.yaml names in the deps of the stages that use it"
        ) from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UserError(f"{key}={path}: is not a subclass of {base.__module__}.{base.__qualname__}")
    return found
