"""A build: what one composed config makes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sprout.config import validate
from sprout.runtime.errors import UserError, one_line


@dataclass(frozen=True)
class Build:
    """One composed config, as `build/config.yaml` holds it."""

    config_text: str
    """The file's text."""
    config: dict[str, Any]
    """The same, as nested dictionaries."""

    @property
    def name(self) -> str:
        """12 hexadecimal digits of the text's SHA-256."""
        return hashlib.sha256(self.config_text.encode()).hexdigest()[:12]

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return str(self.config["experiment"])


T = TypeVar("T")

BUILD = Path("build/config.yaml")
PARAMS = Path("params.yaml")


@dataclass(frozen=True)
class Params:
    """The two keys of `params.yaml`."""

    experiment: str
    overrides: list[str]


def read_params(path: Path = PARAMS) -> Params:
    """Read `params.yaml`.

    Raises:
        UserError: the file is missing, is no YAML, or holds other keys.
    """
    values = read_yaml(path)
    if not isinstance(values, dict) or set(values) != {"experiment", "overrides"}:
        raise UserError(f"{path}: {validate.written(values)} does not hold just the keys experiment and overrides")
    experiment, overrides = values["experiment"], values["overrides"]
    if not isinstance(experiment, str):
        raise UserError(
            f"{path}: experiment={validate.written(experiment)} is not the name of a file in conf/experiment/"
        )
    if not isinstance(overrides, list) or not all(isinstance(o, str) for o in overrides):
        raise UserError(
            f"{path}: overrides={validate.written(overrides)} is not a list of texts such as 'train.lr=0.01'"
        )
    return Params(experiment, overrides)


def read_build(path: Path = BUILD) -> Build:
    """Read the composed config.

    Raises:
        UserError: it is not there yet, or holds no sections.
    """
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise UserError(f"{path}: holds no sections; `dvc repro compose` writes it anew")
    return Build(path.read_text(encoding="utf-8"), config)


def section(build: Build, name: str, kind: type[T]) -> T:
    """One section, typed."""
    return validate.section(name, build.config.get(name), kind)


def choice(build: Build, name: str, key: str, kinds: Mapping[str, type[T]]) -> T:
    """One section, typed by its `key`."""
    return validate.choice(name, build.config.get(name), key, kinds)


def read_yaml(path: Path) -> Any:
    """Read a YAML file; a missing or broken one is named."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run this in the project's folder, after `dvc repro`") from None
    except (yaml.YAMLError, OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as YAML: {one_line(error)}") from None
