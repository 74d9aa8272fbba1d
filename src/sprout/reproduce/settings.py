"""The settings of a run in a checked-out workspace: composed anew, and compared with those that the run had."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sprout.config.exp_run import quoted
from sprout.config.tree import MISSING, leaves
from sprout.config.validate import written
from sprout.config.workspace import BUILD, read_build
from sprout.reproduce.processes import ReproduceError, run
from sprout.runtime.errors import listed
from sprout.runtime.workspace import PARAMS


def compose(workspace: Path, config: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Compose the config of a run in a checked-out workspace, by the code that is there.

    Settings that the overrides do not give are set one by one: a sweep sets seed and threads of a trial beside them,
    and old runs have not recorded overrides.

    Args:
        workspace: the checked-out one.
        config: the run's.
        overrides: the run's.

    Returns:
        The keys that were set so.

    Raises:
        ReproduceError: the config of the run does not result.
    """
    differing = composed_otherwise(workspace, config, overrides)
    if not differing:
        return []
    more = [override(key, value) for key, value in differing.items()]
    if left := composed_otherwise(workspace, config, [*overrides, *more]):
        raise ReproduceError(
            f"{listed(list(left))}: composed otherwise than the artifact config.yaml of the run has it"
        )
    return list(differing)


def composed_otherwise(workspace: Path, config: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Compose; return the settings that differ from the run's, with its values, MISSING where it has none."""
    params = {"experiment": config["experiment"], "overrides": list(overrides)}
    (workspace / PARAMS).write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    run(workspace, sys.executable, "pipelines/compose.py")
    found, wanted = dict(leaves(read_build(workspace / BUILD).config)), dict(leaves(config))
    return {
        key: wanted.get(key, MISSING) for key in found | wanted if found.get(key, MISSING) != wanted.get(key, MISSING)
    }


def override(key: str, value: Any) -> str:
    """Return a setting as an override."""
    if value is MISSING:
        return f"~{key}"
    return f"{key}={quoted(value) if isinstance(value, str) else written(value)}"
