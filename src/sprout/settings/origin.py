"""Where each value of a composed config came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprout.settings.compose import Composed
from sprout.settings.workspace import read_yaml


@dataclass(frozen=True)
class Origin:
    """One value and who said so."""

    key: str
    value: Any
    source: str
    """A file, an override, or a file with the interpolation that it gives."""


def origins(conf: Path, composed: Composed, given_in: Mapping[str, str]) -> Iterator[Origin]:
    """Every value of the config, in its order.

    Args:
        conf: the folder that it was composed from.
        composed: the config.
        given_in: for each override string, where it was given.
    """
    layers = [
        *override_layers(composed, given_in),
        (f"{conf}/experiment/{composed.experiment}.yaml", "", read_layer(conf / "experiment" / composed.experiment)),
        *group_layers(conf, composed),
    ]
    for key, value in leaves(composed.config, ""):
        if key == "experiment":
            continue
        source = next((name for name, package, tree in layers if holds(tree, package, key)), f"{conf}/config.yaml")
        written = lookup(composed.unresolved, key.split("."))
        through = f" {written}" if isinstance(written, str) and "${" in written else ""
        yield Origin(key, value, source + through)


def override_layers(composed: Composed, given_in: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """The overrides of values, the last one first; a chosen file speaks for itself."""
    for override in reversed(composed.overrides):
        if override.key_or_group not in composed.choices and not override.is_delete():
            text = str(override.input_line)
            yield f"{given_in[text]}: {text}", override.key_or_group, override.value()


def group_layers(conf: Path, composed: Composed) -> list[tuple[str, str, Any]]:
    """The chosen files, outer ones first: a file goes before those that its own defaults name."""
    layers = []
    for choice, name in composed.choices.items():
        group, _, package = choice.partition("@")
        path = conf / group / name
        layers.append((f"{path}.yaml", package or group.replace("/", "."), path))
    layers.sort(key=lambda layer: layer[1].count("."))
    return [(source, package, read_layer(path)) for source, package, path in layers if package != "experiment"]


def read_layer(path: Path) -> Any:
    """The file of a choice, without its list of defaults."""
    tree = read_yaml(path.with_name(f"{path.name}.yaml")) or {}
    return {key: value for key, value in tree.items() if key != "defaults"}


def holds(tree: Any, package: str, key: str) -> bool:
    """Whether a tree that stands at `package` sets this key."""
    below = key.removeprefix(package).removeprefix(".") if package else key
    inside = not package or key == package or key.startswith(f"{package}.")
    return inside and lookup(tree, below.split(".") if below else []) is not MISSING


MISSING = object()


def lookup(tree: Any, path: list[str]) -> Any:
    """The value at a path, or MISSING; a whole tree given at once holds all that is below it."""
    for name in path:
        if not isinstance(tree, Mapping) or name not in tree:
            return MISSING
        tree = tree[name]
    return tree


def leaves(tree: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Each value of nested dictionaries under its dotted key."""
    if not isinstance(tree, Mapping) or (key and not tree):
        yield key, tree
        return
    for name, inner in tree.items():
        yield from leaves(inner, f"{key}.{name}" if key else str(name))
