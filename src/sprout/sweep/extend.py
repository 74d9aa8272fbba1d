"""A study that takes over the finished trials of another one, which has another search space."""

from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from sprout.config.compose import Composed, merged_files
from sprout.config.search_space import Space, parse_space
from sprout.config.tree import MISSING, lookup
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_folder
from sprout.sweep import trials
from sprout.sweep.conditions import holds
from sprout.sweep.results import copy_result, copy_trainings
from sprout.sweep.search import Search
from sprout.sweep.space import distribution, powers_of_two, stored
from sprout.sweep.study import define, refuse_another, stored_study
from sprout.sweep.study_folder import DEFINITION, StudyFolder

TAKEN_FROM = "taken_from"
"""User attribute of a trial: the study and the number that it had there."""


def extend(before: StudyFolder, folder: StudyFolder, search: Search) -> str:
    """Create the study of a folder with those finished trials of another one that the search could have drawn.

    Args:
        before: the folder of the other study, which stays as it is.
        folder: does not exist.
        search: of the new study.

    Returns:
        How many trials were taken over.

    Raises:
        UserError: more than the search space differs between the two, or nothing does.
    """
    other = stored_study(before, search.directions)
    definition = search.definition()
    space = other_space(before, other, definition)
    done = trials.done(other)
    with atomic_folder(folder.path) as path:
        results = path / folder.results.name
        results.mkdir()
        storage = folder.storage(path)
        study = optuna.create_study(study_name=folder.name, storage=storage, directions=search.directions)
        for trial in done:
            if (taken := fitting(search, space, before, trial)) is not None:
                study.add_trial(taken)
                if trial.state == TrialState.COMPLETE:
                    copy_result(before.results, trial.number, results, len(study.get_trials(deepcopy=False)) - 1)
        count = len(study.get_trials(deepcopy=False))
        copy_trainings(before.results, results)
        define(study, folder, definition)
        if folder.server is None:
            storage.engine.dispose()
    return f"{folder.name}: took over {count} of the {len(done)} finished trials of {before.name}"


def other_space(before: StudyFolder, other: Study, definition: dict[str, Any]) -> Space:
    """Return the search space of the other study.

    Raises:
        UserError: more than the search space differs from a definition, or nothing does.
    """
    theirs = other.user_attrs.get(DEFINITION)
    if theirs is None:
        raise UserError(f"--extend: {before.kept}: holds no study; start a new one by --fresh")
    if theirs == definition:
        raise UserError(f"--extend: sweep {before.name} has this search space already; leave it out to resume")
    same_space = theirs | {"sweep": theirs["sweep"] | {"space": definition["sweep"]["space"]}}
    refuse_another(before, same_space, definition)
    return parse_space(theirs["sweep"]["space"])


def fitting(search: Search, space: Space, before: StudyFolder, trial: FrozenTrial) -> FrozenTrial | None:
    """Return a trial of another study as the search would have drawn it; None if it could not.

    Args:
        search: the search.
        space: the search space of the other study.
        before: its folder.
        trial: a finished one of it.
    """
    made = search.settled(trial.params, space)
    drawn = {
        path: parameter
        for path, parameter in search.space.items()
        if parameter.when is None or holds(parameter.when, made.config)
    }
    params = {path: trial.params.get(path, value_in(search.conf, made, path)) for path in drawn}
    try:
        taken = create_trial(
            state=trial.state,
            values=trial.values,
            params=params,
            distributions={path: distribution(parameter) for path, parameter in drawn.items()},
            intermediate_values=trial.intermediate_values,
            user_attrs={
                trials.THREADS: trial.user_attrs[trials.THREADS],
                TAKEN_FROM: f"trial {trial.number} of {before.name}",
            },
        )
        same = search.settled(params).config == made.config
    except ValueError:  # a value is out of its range, or none of the choices
        return None
    powers = powers_of_two(search.space)
    return taken if same and all(params[path].bit_count() == 1 for path in powers if path in params) else None


def value_in(conf: Path, composed: Composed, path: str) -> Any:
    """Return the value of a setting as a study stores it; of a config group the name of its file."""
    value = lookup(composed.config, path)
    if isinstance(value, dict):
        files = (Path(file).name for file, package in merged_files(conf, composed.lines) if package == path)
        return next(files, MISSING)
    return stored(tuple(value) if isinstance(value, list) else value)
