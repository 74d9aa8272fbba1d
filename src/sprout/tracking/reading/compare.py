"""What differs between runs: settings, data, code and figures, and their models on the same test examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sprout.runtime.errors import UserError
from sprout.tracking.reading.facts import Facts, facts_of
from sprout.tracking.reading.outcome import Outcome, outcome_of
from sprout.tracking.reading.paired import (
    Cell,
    ClassErrors,
    Estimate,
    Paired,
    changed_cells,
    class_errors,
    mean_error,
    paired,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Values = tuple[Any, ...]
"""Of each run, None where it has none."""


@dataclass(frozen=True)
class Subject:
    """A run that is compared with others."""

    facts: Facts
    outcome: Outcome | str
    """What the model that it hands on made of each example; a reason where that is not known."""


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side."""

    runs: list[Facts]
    settings: dict[str, Values]
    """Those that differ."""
    data: dict[str, Values]
    """DVC's hashes that differ, by path."""
    code: Values | None
    """Commit, and whether the code was changed, of each; None if all are equal and unchanged."""
    figures: dict[str, Values]
    """All of them, those that are equal as well."""
    errors: list[Estimate | None]
    """The mean error of the model that each build hands on; None where it is not known."""
    paired: list[Paired | str]
    """Each further run against the first; a reason where they cannot be compared so."""
    classes: list[ClassErrors]
    """The errors of each class; empty where fewer than two runs have classifiers."""
    confusions: list[list[Cell]]
    """The mistakes whose numbers differ most, of each further run against the first."""


def read_runs(client: "MlflowClient", runs: "Sequence[Run]") -> list[Subject]:
    """Read runs to compare.

    Raises:
        UserError: there are fewer than two, or one is given twice.
    """
    if len(runs) < 2:
        raise UserError(
            f"{len(runs)} run{'' if len(runs) == 1 else 's'}: give two or more, or a filter that finds them"
        )
    ids = [run.info.run_id for run in runs]
    if twice := next((run for run in runs if ids.count(run.info.run_id) > 1), None):
        raise UserError(f"run {twice.info.run_id[:8]} ({twice.info.run_name}): is given twice; give two others")
    return [subject_of(client, run) for run in runs]


def subject_of(client: "MlflowClient", run: "Run") -> Subject:
    """Read a run to compare."""
    facts = facts_of(client, run)
    return Subject(facts, outcome_of(client, run, facts))


def compare(subjects: Sequence[Subject]) -> Comparison:
    """Compare runs, each with the first."""
    facts, outcomes = [each.facts for each in subjects], [each.outcome for each in subjects]
    code = tuple((each.commit, each.dirty) for each in facts)
    return Comparison(
        runs=facts,
        settings=differing([each.settings for each in facts]),
        data=differing([each.data for each in facts]),
        code=code if len(set(code)) > 1 or any(dirty for _, dirty in code) else None,
        figures=side_by_side([each.figures for each in facts]),
        errors=[mean_error(each) for each in outcomes],
        paired=[paired(outcomes[0], other) for other in outcomes[1:]],
        classes=class_errors(outcomes),
        confusions=[changed_cells(outcomes[0], other) for other in outcomes[1:]],
    )


def side_by_side(several: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    """Return each key with its value in each mapping, None where there is none."""
    keys = dict.fromkeys(key for each in several for key in each)
    return {key: tuple(each.get(key) for each in several) for key in keys}


def differing(several: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    """Return the keys whose values are not all equal."""
    return {key: values for key, values in side_by_side(several).items() if len(set(values)) > 1}
