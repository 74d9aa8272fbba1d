"""Nested dictionaries with dotted keys."""

from collections.abc import Iterator, Mapping
from typing import Any

MISSING = object()


def lookup(tree: Any, key: str) -> Any:
    """Return the value at a key, or MISSING; the empty key is the tree itself.

    The value below an interpolation is the interpolation.
    """
    names = list(filter(None, key.split(".")))
    while names and not is_interpolation(tree):
        if not isinstance(tree, Mapping):
            return MISSING
        if (rest := ".".join(names)) in tree:  # a key with dots, as in the condition of a sweep's parameter
            return tree[rest]
        if names[0] not in tree:
            return MISSING
        tree = tree[names.pop(0)]
    return tree


def is_interpolation(value: Any) -> bool:
    """Return whether a value is a string such as `${train.lr}`."""
    return isinstance(value, str) and "${" in value


def leaves(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value with its key; an empty dictionary counts as a value."""
    if not isinstance(tree, Mapping) or (key and not tree):
        yield key, tree
        return
    for name, inner in tree.items():
        yield from leaves(inner, f"{key}.{name}" if key else str(name))


def merge(base: Any, changes: Any) -> Any:
    """Return nested dictionaries with changes applied; a subsection of another `kind` replaces that of the base."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    if "kind" in changes and changes["kind"] != base.get("kind"):
        return changes
    return base | {key: merge(base.get(key), value) for key, value in changes.items()}
