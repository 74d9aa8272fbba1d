"""What a user asks of the tracked runs: terms such as `experiment=digits` and `student.error_rate<0.05`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sprout.config.sections import SECTIONS
from sprout.evaluate.tested_on import CROSS_VALIDATION, TEST
from sprout.runtime.errors import UserError
from sprout.runtime.model_folder import ROLES
from sprout.tracking.tags import BUILD, ROLE, SWEEP

KINDS = (BUILD, SWEEP, "train")
"""The roles of the runs that lie under no other one."""
TRAININGS = ("train", *ROLES, "round", "fold", "trial")
"""The roles of trainings."""
STATES = {
    "finished": "FINISHED",
    "running": "RUNNING",
    "waiting": "SCHEDULED",
    "failed": "FAILED",
    "killed": "KILLED",
}
"""Our word for the state of a run → MLflow's."""
POOL = "pool"
"""The first part of the figures of unlabelled examples."""
ERROR = "student.error_rate"
"""What the best builds are chosen by, unless a figure is given."""
ERROR_ON_VAL = "val_error_rate"
"""The same of trainings."""
TERM = re.compile(r"\s*([^\s=<>!~]+)\s*(<=|>=|!=|=|<|>|~)\s*(.+?)\s*")
ACCEPTED = (
    "experiment=NAME, kind=build (sweep, train, trial, teacher, …), state=finished, name~TEXT, since=2026-01-31, "
    "best=5, a setting such as train.lr=0.01, or a figure such as 'student.error_rate<0.05'"
)
Search = tuple[str, ...]
"""Conditions in MLflow's language, all of which hold."""


@dataclass(frozen=True)
class Query:
    """Which runs are asked for."""

    experiment: str | None = None
    kinds: tuple[str, ...] | None = None
    """Roles; None: what the figures that are asked for are of, else `KINDS`."""
    conditions: Search = ()
    figures: tuple[tuple[str, str, float], ...] = ()
    """A metric as the user names it, an operator, a number."""
    best: int | None = None
    """Only so many, the best first: the smallest of the first figure, or the largest where it is asked for by >."""

    @property
    def ranked_by(self) -> tuple[str, bool] | None:
        """The figure that the best runs are chosen by, and whether its largest values are the best."""
        if self.best is None:
            return None
        usual = ERROR if self.kinds is None or BUILD in self.kinds else ERROR_ON_VAL
        name, operator, _ = (*self.figures, (usual, "<", 1.0))[0]
        return name, operator.startswith(">")

    def searches(self) -> list[Search]:
        """Return one search for each kind, and for each name that a figure may have."""
        ranked = [self.ranked_by[0]] if self.ranked_by else []
        figures = [*ranked, *(name for name, *_ in self.figures)]
        of_builds = any(map(is_of_build, figures))
        usual = (BUILD,) if of_builds else TRAININGS if figures else KINDS
        kinds = [kind for kind in self.kinds or usual if kind == BUILD or not of_builds]
        found = [(f"tags.`{ROLE}` = '{kind}'", *self.conditions) for kind in kinds]
        for name, operator, value in self.figures:
            found = [
                (*each, f"metrics.`{metric}` {operator} {value!r}") for each in found for metric in metric_names(name)
            ]
        return found


def parse(terms: Sequence[str]) -> Query:
    """Return the query of these terms, all of which must hold.

    Raises:
        UserError: a term is not understood.
    """
    query = Query()
    for term in terms:
        match = TERM.fullmatch(term)
        if match is None:
            raise UserError(f"{term}: not a filter; accepted: {ACCEPTED}")
        query = with_term(query, term, *match.groups())
    return query


def with_term(query: Query, term: str, key: str, operator: str, value: str) -> Query:
    """Return the query with one more term.

    Raises:
        UserError: it is not understood.
    """
    known = {"experiment": "=", "kind": "=", "state": "=", "best": "=", "since": "=", "name": "~="}
    if key in known and operator not in known[key]:
        raise UserError(f"{term}: {key} takes {' or '.join(known[key])}; accepted: {ACCEPTED}")
    match key:
        case "experiment":
            return replace(query, experiment=value)
        case "kind":
            return replace(query, kinds=roles(term, value))
        case "best":
            return replace(query, best=whole(term, value))
        case "state":
            return with_condition(query, f"attributes.status = '{state(term, value)}'")
        case "since":
            return with_condition(query, f"attributes.start_time >= {milliseconds(term, value)}")
        case "name":
            pattern = f"%{value}%" if operator == "~" else value
            return with_condition(query, f"attributes.run_name LIKE '{quoted(pattern)}'")
    if key.split(".")[0] in SECTIONS:
        if operator not in ("=", "!="):
            raise UserError(f"{term}: settings are compared by = and != only")
        return with_condition(query, f"params.`{key}` {operator} '{quoted(as_param(value))}'")
    if operator == "~":
        raise UserError(f"{term}: only name takes ~; accepted: {ACCEPTED}")
    return replace(query, figures=(*query.figures, (key, operator, number(term, value))))


def with_condition(query: Query, condition: str) -> Query:
    """Return the query with one more condition."""
    return replace(query, conditions=(*query.conditions, condition))


def is_of_build(name: str) -> bool:
    """Whether a figure is of a build's model or pool, and so on its own run alone."""
    role, dot, _ = name.partition(".")
    return bool(dot) and role in (*ROLES, POOL)


def metric_names(name: str) -> list[str]:
    """Return the names that a figure has in MLflow: `student.error_rate` is on test or cross-validated."""
    if not is_of_build(name):
        return [name]
    role, _, rest = name.partition(".")
    if role == POOL or rest.startswith("val_"):
        return [f"{role}/{rest}"]
    return [f"{role}/{split}_{rest}" for split in (TEST, CROSS_VALIDATION)]


def roles(term: str, value: str) -> tuple[str, ...]:
    """Return the kinds of runs that are named."""
    known = (*KINDS[:2], *TRAININGS)
    named = tuple(value.split(","))
    if unknown := [name for name in named if name not in known]:
        raise UserError(f"{term}: {unknown[0]!r} is no kind of run; accepted: {', '.join(known)}")
    return named


def as_param(value: str) -> str:
    """Return a setting as MLflow has it: 1e-2 as 0.01."""
    try:
        return value if value.lstrip("+-").isdecimal() else json.dumps(float(value))
    except ValueError:
        return value


def quoted(text: str) -> str:
    """Return a text as it stands between single quotes."""
    return text.replace("'", "''")


def state(term: str, value: str) -> str:
    """Return MLflow's word for a state."""
    if value not in STATES:
        raise UserError(f"{term}: no such state; accepted: {', '.join(STATES)}")
    return STATES[value]


def whole(term: str, value: str) -> int:
    """Return a number of runs."""
    if not value.isdecimal() or not int(value):
        raise UserError(f"{term}: should be a whole number from 1 on")
    return int(value)


def number(term: str, value: str) -> float:
    """Return a number."""
    try:
        return float(value)
    except ValueError:
        raise UserError(f"{term}: {value!r} is not a number; accepted: {ACCEPTED}") from None


def milliseconds(term: str, value: str) -> int:
    """Return a day or a time in ms since 1970."""
    try:
        return int(datetime.fromisoformat(value).astimezone().timestamp() * 1000)
    except ValueError:
        raise UserError(f"{term}: not a day such as 2026-01-31, or a time such as 2026-01-31T12:00") from None
