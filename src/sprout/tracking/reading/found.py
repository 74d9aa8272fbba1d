"""Runs as a list shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sprout.runtime.errors import UserError
from sprout.tracking.reading.query import STATES, Query, Search, metric_names
from sprout.tracking.tags import BUILD_TAG, EVALUATED, PID, REASON, ROLE, TRIAL_STATE, is_owner_alive, machine_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NOTE = "mlflow.note.content"
WORDS: dict[str, str] = {theirs: ours for ours, theirs in STATES.items()}
NEWEST = ("attributes.start_time DESC",)


@dataclass(frozen=True)
class Found:
    """One run."""

    id: str
    name: str
    """What was built: the experiment and what differs from its file."""
    experiment: str
    kind: str
    """Its role: build, sweep, train, teacher and so on."""
    state: str
    """Our word, as in `query.STATES`."""
    started: str
    """In local time, to the second."""
    seconds: float | None
    """From its start to its end; None if it has not ended."""
    result: str
    """Its headline, its error on val, or why it failed."""
    build: str | None
    metrics: dict[str, float]

    @property
    def took(self) -> str:
        """How long it took; empty if it has not ended."""
        return "" if self.seconds is None else duration(self.seconds)


def duration(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def find_runs(client: "MlflowClient", query: Query, limit: int) -> list[Found]:
    """Return the runs that are asked for, newest first, or the best.

    Args:
        client: of the store.
        query: what is asked.
        limit: runs at most.

    Raises:
        UserError: there is no such experiment.
    """
    names = {each.experiment_id: each.name for each in client.search_experiments()}
    if query.experiment is not None and query.experiment not in names.values():
        raise UserError(f"experiment={query.experiment}: no such experiment; there are: {', '.join(names.values())}")
    asked = [number for number, name in names.items() if query.experiment in (None, name)]
    ranked = query.ranked_by
    orders = [NEWEST] if ranked is None else [order_by(name, largest=ranked[1]) for name in metric_names(ranked[0])]
    limit = min(limit, query.best or limit)
    found = {
        run.info.run_id: run
        for search in query.searches()
        for order in orders
        for run in ask(client, asked, search, order, limit)
    }
    runs = sorted(found.values(), key=lambda run: run.info.start_time, reverse=True)
    if ranked is not None:
        values = {run.info.run_id: value_of(run, ranked[0]) for run in runs}
        known = [run for run in runs if values[run.info.run_id] is not None]
        runs = sorted(known, key=lambda run: values[run.info.run_id] or 0.0, reverse=ranked[1])[: query.best]
    return [described(run, names) for run in runs[:limit]]


def ask(
    client: "MlflowClient", experiments: list[str], search: Search, order: tuple[str, ...], limit: int
) -> "list[Run]":
    """Return the runs that MLflow finds."""
    return list(client.search_runs(experiments, " and ".join(search), max_results=limit, order_by=list(order)))


def order_by(metric: str, *, largest: bool) -> tuple[str, ...]:
    """Return MLflow's words for an order by a metric; runs without it come last."""
    return (f"metrics.`{metric}` {'DESC' if largest else 'ASC'}",)


def value_of(run: "Run", name: str) -> float | None:
    """Return a figure of a run, as the user names it; None if the run has none."""
    return next((run.data.metrics[each] for each in metric_names(name) if each in run.data.metrics), None)


def described(run: "Run", experiments: dict[str, str]) -> Found:
    """Return a run as a list shows it."""
    info, tags = run.info, run.data.tags
    return Found(
        id=info.run_id,
        name=info.run_name,
        experiment=experiments.get(info.experiment_id, info.experiment_id),
        kind=tags.get(ROLE, ""),
        state=state_of(run),
        started=datetime.fromtimestamp(info.start_time / 1000).astimezone().isoformat(timespec="seconds"),
        seconds=None if info.end_time is None else (info.end_time - info.start_time) / 1000,
        result=result_of(run),
        build=tags.get(BUILD_TAG),
        metrics=dict(run.data.metrics),
    )


def state_of(run: "Run") -> str:
    """Return our word for the state of a run, as the next tracked run will set it where its process has died here."""
    tags, status = run.data.tags, run.info.status
    if tags.get(TRIAL_STATE) == "PRUNED":
        return "pruned"
    here = all(tags.get(name) == value for name, value in machine_tags().items())
    if status in (STATES["running"], STATES["waiting"]) and here and PID in tags and not is_owner_alive(tags):
        # DVC skips the report of a build whose outputs are as they were.
        is_whole = status == STATES["waiting"] and EVALUATED in tags
        return WORDS["FINISHED" if is_whole else "KILLED"]
    return WORDS.get(status, str(status).lower())


def result_of(run: "Run") -> str:
    """Return the first line of a run's description, else why it failed, else its first figure on val."""
    tags, metrics = run.data.tags, run.data.metrics
    if note := tags.get(NOTE, "").strip():
        return str(note.splitlines()[0])
    if REASON in tags:
        return str(tags[REASON])
    named = [name for name in ("val_error_rate", *sorted(metrics)) if name in metrics and name.startswith("val_")]
    return f"{named[0]} {metrics[named[0]]:.4g}" if named else ""
