"""Finds the workspace, and reads its `params.yaml` and the composed config, `build/config.yaml`."""

import hashlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sprout.config import validate
from sprout.config.tree import leaves
from sprout.runtime.errors import UserError, one_line

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
PARAMS = Path("params.yaml")


MARKS = (PARAMS, Path("conf/config.yaml"))
"""The files that make a folder a workspace."""


def find_workspace(folder: Path) -> Path | None:
    """The nearest workspace at or above a folder; None without one."""
    above = (folder, *folder.parents)
    return next((each for each in above if all((each / mark).is_file() for mark in MARKS)), None)


def main_workspace() -> Path:
    """The workspace that outlives a stage, as an absolute path.

    `DVC_ROOT` names it in every stage, also where `dvc exp run --temp` or `--queue` runs it in a copy. Elsewhere it is
    the folder of the caller or one above.
    """
    here = Path.cwd()
    return Path(os.environ.get("DVC_ROOT") or find_workspace(here) or here).resolve()


def left_behind(file: Path) -> str:
    """Return why a file is missing in a copy of the workspace, in which DVC builds; else an empty string.

    Args:
        file: relative to the workspace.
    """
    main = main_workspace()
    if main == Path.cwd().resolve() or file.is_absolute() or file.exists() or not (main / file).is_file():
        return ""
    return (
        f" here, as this is a copy of the workspace without {file}: `dvc exp run --temp` and `--queue` build in one, "
        f"which gets only files that git knows; run `git add {file}`, and the same for other new files that it needs, "
        "then the command again"
    )


def enter_workspace() -> Path:
    """Make the nearest workspace, here or above, the working folder.

    Returns:
        What to put before a path that the user has given: nothing where the user stands in the workspace's own folder,
        otherwise the folder where the user stands.

    Raises:
        UserError: there is no workspace.
    """
    here = Path.cwd()
    workspace = find_workspace(here)
    if workspace is None:
        marks = " and ".join(map(str, MARKS))
        raise UserError(f"{here}: is not in a workspace: neither it nor a folder above has {marks}; change to one")
    if workspace == here:
        return Path()
    os.chdir(workspace)
    return here


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
