"""The origin of each value of a composed config: a file or an override."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprout.config.compose import Composed, merged_files
from sprout.config.overrides import picks_file
from sprout.config.tree import MISSING, is_interpolation, leaves, lookup
from sprout.config.workspace import read_yaml
from sprout.runtime.workspace import PARAMS

Layer = tuple[str, str, Any]
"""A source, the dotted key of its values, and the values."""


@dataclass(frozen=True)
class Origin:
    """One value and its source."""

    key: str
    value: Any
    source: str
    """A file or an override, followed by the interpolation if the value is one."""


def origins(conf: Path, composed: Composed, given_in: Mapping[str, str]) -> Iterator[Origin]:
    """Yield every value of a config, in its order.

    Args:
        conf: the folder that the config was composed from.
        composed: the config.
        given_in: for each override string, where the user wrote it.
    """
    layers = [
        *override_layers(conf, composed, given_in),
        *file_layers(conf, composed),
        (str(PARAMS), "experiment", composed.experiment),
    ]
    for key, value in leaves(composed.whole):
        source = source_of(key, layers)
        if source is None and key.startswith("retrain."):
            source = f"{source_of(key.removeprefix('re'), layers)}, as {key.removeprefix('re')}"
        written = lookup(composed.unresolved, key)
        through = f" {written}" if is_interpolation(written) and written != value else ""
        yield Origin(key, value, f"{source}{through}")


def source_of(key: str, layers: Sequence[Layer]) -> str | None:
    """Return the source that sets a key; None for a setting that the student takes from the teacher."""
    return next((name for name, package, tree in layers if contains(tree, package, key)), None)


def override_layers(conf: Path, composed: Composed, given_in: Mapping[str, str]) -> Iterator[Layer]:
    """Yield the overrides of values, last one first; a chosen file is a layer of `file_layers`."""
    for override in reversed(composed.overrides):
        key, text = override.key_or_group, str(override.input_line)
        if key == "experiment" or not (picks_file(conf, override) or override.is_delete()):
            yield f"{given_in[text]}: {text}", key, override.value()


def file_layers(conf: Path, composed: Composed) -> Iterator[Layer]:
    """Yield the files that Hydra merged, last one first."""
    for name, package in reversed(merged_files(conf, composed.lines)):
        path = conf / f"{name}.yaml"
        values = read_yaml(path) or {}
        yield str(path), package, {key: value for key, value in values.items() if key != "defaults"}


def contains(tree: Any, package: str, key: str) -> bool:
    """Return whether a tree at the key `package` contains a key, or an element of the list at that key."""
    if key == package or not package or key.startswith(f"{package}."):
        return lookup(tree, key.removeprefix(package).removeprefix(".")) is not MISSING
    return package.startswith(f"{key}.")
