"""Reads `params.yaml` and the composed config, `build/config.yaml`, of the workspace."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sprout.config import validate
from sprout.config.tree import leaves
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.workspace import PARAMS

T = TypeVar("T")


@dataclass(frozen=True)
class Build:
    """The composed config of one build."""

    config_text: str
    """The content of `build/config.yaml`."""
    config: dict[str, Any]
    """The same as nested dictionaries."""
    overrides: tuple[str, ...] | None = None
    """Those that it was composed with; None: those in `params.yaml`. Runs are named by them."""

    @property
    def name(self) -> str:
        """The first 12 hexadecimal digits of the text's SHA-256."""
        return hashlib.sha256(self.config_text.encode()).hexdigest()[:12]

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return str(self.config["experiment"])


BUILD = Path("build/config.yaml")


@dataclass(frozen=True)
class Params:
    """The two keys of `params.yaml`."""

    experiment: str
    overrides: list[str]


def read_params(path: Path = PARAMS) -> Params:
    """Read `params.yaml`.

    Raises:
        UserError: the file is missing, not valid YAML, or has other keys.
    """
    values = read_yaml(path)
    if not isinstance(values, dict) or not set(values) >= {"experiment", "overrides"}:
        raise UserError(f"{path}: {validate.written(values)} should have the keys experiment and overrides only")
    experiment, overrides = values.pop("experiment"), values.pop("overrides")
    if values:
        raise UserError(f"{path}: {explain_settings(values, overrides)}")
    if not isinstance(experiment, str):
        raise UserError(
            f"{path}: experiment={validate.written(experiment)} should be the name of a file in conf/experiment/"
        )
    if not isinstance(overrides, list) or not all(isinstance(o, str) for o in overrides):
        raise UserError(
            f"{path}: overrides={validate.written(overrides)} should be a list of strings such as 'train.lr=0.01'"
        )
    return Params(experiment, overrides)


def explain_settings(values: dict[str, Any], overrides: Any) -> str:
    """Explain how settings become overrides, which `dvc exp run -S +train.lr=0.01` has written beside them."""
    given = [f"{key}={value if isinstance(value, str) else validate.written(value)}" for key, value in leaves(values)]
    whole = validate.written([*(overrides if isinstance(overrides, list) else []), *given])
    return (
        f"{', '.join(given)}: no such key; accepted: experiment, overrides. Settings are overrides: `git checkout "
        f"{PARAMS}`, then dvc exp run -S {shlex.quote(f'overrides={whole}')}"
    )


def read_build(path: Path = BUILD) -> Build:
    """Read the composed config.

    Raises:
        UserError: the file does not exist yet, or has no sections.
    """
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise UserError(f"{path}: has no sections; run `dvc repro compose` to rewrite it")
    return Build(path.read_text(encoding="utf-8"), config)


def section(build: Build, name: str, kind: type[T]) -> T:
    """Return one section, typed.

    Raises:
        UserError: a key or value is not accepted.
    """
    return validate.section(name, build.config.get(name), kind)


def choice(build: Build, name: str, key: str, kinds: Mapping[str, type[T]]) -> T:
    """Return one section, as the dataclass that its `key` selects.

    Raises:
        UserError: a key or value is not accepted.
    """
    return validate.choice(name, build.config.get(name), key, kinds)


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UserError: the file is missing or not valid YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run this in the project's folder, after `dvc repro`") from None
    except (yaml.YAMLError, OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as YAML: {one_line(error)}") from None
