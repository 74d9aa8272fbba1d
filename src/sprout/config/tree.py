"""Values in nested dictionaries, by their dotted keys."""

from collections.abc import Iterator, Mapping
from typing import Any

MISSING = object()


def lookup(tree: Any, key: str) -> Any:
    """The value at a key, or MISSING; the empty key is the tree itself.

    An interpolation stands for all that is below it.
    """
    for name in filter(None, key.split(".")):
        if is_interpolation(tree):
            break
        if not isinstance(tree, Mapping) or name not in tree:
            return MISSING
        tree = tree[name]
    return tree


def is_interpolation(value: Any) -> bool:
    """Whether this is a text such as `${train.lr}`."""
    return isinstance(value, str) and "${" in value


def leaves(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each value under its key; an empty dictionary counts as a value."""
    if not isinstance(tree, Mapping) or (key and not tree):
        yield key, tree
        return
    for name, inner in tree.items():
        yield from leaves(inner, f"{key}.{name}" if key else str(name))
