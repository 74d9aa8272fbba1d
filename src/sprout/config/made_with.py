"""The settings that the data on disk was made with, as recorded in `dvc.lock`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dvc.utils.serialize import ParseError, load_yaml

from sprout.config.compose import Composed
from sprout.config.exp_run import STAGES, rebuild_data, section_of
from sprout.config.tree import leaves
from sprout.config.validate import written
from sprout.config.workspace import BUILD, Params
from sprout.runtime.errors import UserError, one_line

LOCK = Path("dvc.lock")


def made_with(lock: Path = LOCK) -> dict[str, dict[str, Any]]:
    """Return the sections that each data stage read in its last successful run, by stage.

    `build/config.yaml` can be newer: it is written before the other stages run, and one of these may have failed. The
    lock is read by DVC's own parser, because PyYAML reads 1e-05, as DVC writes it, as a string.

    Raises:
        UserError: the lock is missing or damaged, or one of the stages has never succeeded here.
    """
    stages = read_lock(lock)
    return {name: sections(lock, name, stages.get(name, {})) for name in STAGES}


def read_lock(lock: Path) -> dict[str, dict[str, Any]]:
    """Return the stages of `dvc.lock`, by name.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        content = load_yaml(lock) or {}
    except FileNotFoundError:
        raise UserError(f"{lock}: not found, so the data was never built here; run `dvc repro`") from None
    except (ParseError, OSError, ValueError) as error:
        raise unreadable(lock, one_line(error)) from None
    stages = content.get("stages") or {} if isinstance(content, dict) else None
    if not isinstance(stages, dict) or not all(map(is_stage, stages.values())):
        raise unreadable(lock, "it lacks what DVC writes")
    return stages


def is_stage(entry: object) -> bool:
    """Whether an entry of the lock is a whole stage."""
    if not isinstance(entry, dict) or not isinstance(entry.get("params", {}), dict):
        return False
    listed = [entry.get(key, []) for key in ("deps", "outs")]
    return all(
        isinstance(each, list) and all(isinstance(item, dict) and "path" in item for item in each) for each in listed
    )


def unreadable(lock: Path, why: str) -> UserError:
    """What is said of a lock that was cut off, or has the marks of a merge."""
    return UserError(
        f"{lock}: not readable ({why}); restore it, for example by `git checkout {lock}`, then `dvc repro`"
    )


def sections(lock: Path, name: str, stage: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of the composed config that a stage read.

    Raises:
        UserError: the stage has never succeeded here.
    """
    found = stage.get("params", {}).get(BUILD.as_posix(), {})
    if not isinstance(found, dict) or name not in found:
        raise UserError(
            f"{lock}: has no settings of the stage {name}, so its data was never built here; run `dvc repro`. If the "
            f"file was cut off, restore it before, for example by `git checkout {lock}`"
        )
    return found


def refuse_without_effect(composed: Composed, first: int, command: str, takes: Sequence[str]) -> None:
    """Refuse overrides, from number `first` on, of sections that the command does not read.

    Raises:
        UserError: there is one; the message names the sections that the command reads.
    """
    for override in composed.overrides[first:]:
        if section_of(override) not in (*takes, *STAGES, "experiment"):
            raise UserError(
                f"{override.input_line}: has no effect; {command} takes overrides of {', '.join(takes)}, and experiment"
            )


def refuse_other_data(composed: Composed, made: dict[str, dict[str, Any]], params: Params) -> None:
    """Refuse settings that need other data than the data on disk.

    Raises:
        UserError: a value differs; the message has the command that builds the data for it.
    """
    for sections in made.values():
        before = dict(leaves(sections))
        now = dict(leaves({name: composed.config.get(name) for name in sections}))
        for key in now | before:
            if now.get(key) != before.get(key):
                raise UserError(
                    f"{key}={written(now.get(key))}: the data on disk was made with {written(before.get(key))}; "
                    f"to rebuild it: {rebuild_data(composed, params)}"
                )
