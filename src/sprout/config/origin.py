"""Where each value of a composed config came from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprout.config.compose import Composed, merged_files, picks_file
from sprout.config.tree import MISSING, is_interpolation, leaves, lookup
from sprout.config.workspace import PARAMS, read_yaml

Layer = tuple[str, str, Any]
"""Who says it, the dotted key where it stands, and the values."""


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
        *override_layers(conf, composed, given_in),
        *file_layers(conf, composed),
        (str(PARAMS), "experiment", composed.experiment),
    ]
    for key, value in leaves(composed.whole):
        source = next(name for name, package, tree in layers if sets(tree, package, key))
        written = lookup(composed.unresolved, key)
        through = f" {written}" if is_interpolation(written) else ""
        yield Origin(key, value, source + through)


def override_layers(conf: Path, composed: Composed, given_in: Mapping[str, str]) -> Iterator[Layer]:
    """The overrides of values, the last one first; a chosen file speaks for itself."""
    for override in reversed(composed.overrides):
        key, text = override.key_or_group, str(override.input_line)
        if key == "experiment" or not (picks_file(conf, override) or override.is_delete()):
            yield f"{given_in[text]}: {text}", key, override.value()


def file_layers(conf: Path, composed: Composed) -> Iterator[Layer]:
    """The files that Hydra merged, the last one first."""
    for name, package in reversed(merged_files(conf, composed.lines)):
        path = conf / f"{name}.yaml"
        values = read_yaml(path) or {}
        yield str(path), package, {key: value for key, value in values.items() if key != "defaults"}


def sets(tree: Any, package: str, key: str) -> bool:
    """Whether a tree that stands at `package` sets this key, or an element of its list."""
    if key == package or not package or key.startswith(f"{package}."):
        return lookup(tree, key.removeprefix(package).removeprefix(".")) is not MISSING
    return package.startswith(f"{key}.")
