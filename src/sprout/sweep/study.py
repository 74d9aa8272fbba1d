"""The study of a sweep in Optuna's storage: opened or created, and what defines it."""

import sqlite3
from contextlib import closing
from typing import Any

import optuna
from optuna.study import Study

from sprout.config.sweep import Direction
from sprout.config.tree import leaves
from sprout.config.validate import written
from sprout.runtime.errors import UserError
from sprout.sweep.study_folder import DEFINITION, KEY, StudyFolder, readable

MAX_DIFFERENCES = 5
"""Differences listed in a message."""


def open_study(folder: StudyFolder, definition: dict[str, Any], directions: list[Direction]) -> Study:
    """Open the study of a folder, or create it.

    Args:
        folder: held by this process.
        definition: what all trials share.
        directions: of the objectives.

    Raises:
        UserError: the study has another definition, its trials are lost, or its file cannot be read.
    """
    for path in (folder.results, folder.logs):
        path.mkdir(parents=True, exist_ok=True)
    study = stored_study(folder, directions)
    with readable(folder.kept):
        if DEFINITION not in study.user_attrs:
            refuse_lost(folder)
            define(study, folder, definition)
        refuse_another(folder, study.user_attrs[DEFINITION], definition)
    return study


def define(study: Study, folder: StudyFolder, definition: dict[str, Any]) -> None:
    """Give a study its id and its definition, which makes it complete."""
    study.set_user_attr(KEY, folder.key)
    study.set_user_attr(DEFINITION, definition)


def stored_study(folder: StudyFolder, directions: list[Direction]) -> Study:
    """Return the study in the storage of a folder, which is created if there is none.

    Raises:
        UserError: it cannot be read.
    """
    with readable(folder.kept):
        if folder.server is None:
            refuse_damaged(folder)
        return optuna.create_study(
            study_name=folder.name, storage=folder.storage(), directions=directions, load_if_exists=True
        )


def refuse_damaged(folder: StudyFolder) -> None:
    """Let SQLite check the structure of the file, if there is one.

    Raises:
        DatabaseError: it is damaged.
    """
    if not folder.database.exists():
        return
    with closing(sqlite3.connect(folder.database)) as connection:
        faults = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
    if faults != ["ok"]:
        raise sqlite3.DatabaseError(faults[0])


def refuse_lost(folder: StudyFolder) -> None:
    """Refuse to begin anew where results belong to trials of a study that is lost."""
    if lost := len([*folder.results.glob("*.json")]):
        raise UserError(
            f"{folder.database}: empty, though {lost} trials have left results in {folder.results}; restore the file "
            "from a copy, or start a new study by --fresh"
        )


def refuse_another(folder: StudyFolder, definition: dict[str, Any], current: dict[str, Any]) -> None:
    """Refuse to add trials that cannot be compared with those of the study."""
    before, now = dict(leaves(definition)), dict(leaves(current))
    differ = [key for key in before | now if before.get(key) != now.get(key)]
    if differ:
        first, rest = differ[:MAX_DIFFERENCES], differ[MAX_DIFFERENCES:]
        shown = "; ".join(f"{key} was {written(before.get(key))}, is {written(now.get(key))}" for key in first)
        more = f"; and {len(rest)} more" if rest else ""
        only_space = all(key.startswith("sweep.space.") for key in differ)
        extend = ", or by --extend with its finished trials that fit" if only_space else ""
        raise UserError(
            f"sweep {folder.name}: has another definition: {shown}{more}; to resume it or adopt from it, repeat "
            f"the overrides that it was started with; else start a new study by --fresh{extend}, or give it another "
            "name by sweep.name=…"
        )
