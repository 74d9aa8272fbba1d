"""What differs between runs: settings, data, code and figures, and their models on the same test examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sprout.evaluate.significance import mcnemar_p, paired_interval
from sprout.runtime.errors import UserError
from sprout.tracking.reading.facts import Facts, artifact, artifact_file, facts_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Values = tuple[Any, ...]
"""Of each run, None where it has none."""
LABEL = "label"


@dataclass(frozen=True)
class Paired:
    """Two models on the same examples."""

    examples: int
    worse: int
    """Examples that only the first run's model gets right."""
    better: int
    """Examples that only the second run's model gets right."""
    difference: float
    """The second error rate minus the first."""
    low: float
    high: float
    """Its 95% interval."""
    p: float
    """Of McNemar's exact test."""


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
    paired: list[Paired | str]
    """Each further run against the first; a reason where they cannot be compared so."""


def compare(client: "MlflowClient", runs: "Sequence[Run]") -> Comparison:
    """Compare runs.

    Raises:
        UserError: there are fewer than two.
    """
    if len(runs) < 2:
        raise UserError(
            f"{len(runs)} run{'' if len(runs) == 1 else 's'}: give two or more, or a filter that finds them"
        )
    facts = [facts_of(client, run) for run in runs]
    code = tuple((each.commit, each.dirty) for each in facts)
    return Comparison(
        runs=facts,
        settings=differing([each.settings for each in facts]),
        data=differing([each.data for each in facts]),
        code=code if len(set(code)) > 1 or any(dirty for _, dirty in code) else None,
        figures=side_by_side([each.figures for each in facts]),
        paired=[paired(client, (runs[0], facts[0]), other) for other in zip(runs[1:], facts[1:], strict=True)],
    )


def side_by_side(several: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    """Return each key with its value in each mapping, None where there is none."""
    keys = dict.fromkeys(key for each in several for key in each)
    return {key: tuple(each.get(key) for each in several) for key in keys}


def differing(several: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    """Return the keys whose values are not all equal."""
    return {key: values for key, values in side_by_side(several).items() if len(set(values)) > 1}


def paired(client: "MlflowClient", first: "tuple[Run, Facts]", second: "tuple[Run, Facts]") -> Paired | str:
    """Return how the models that two builds hand on differ on the same examples, or why that cannot be said."""
    for run, facts in (first, second):
        if facts.handed_on is None:
            return f"{run.info.run_name} is no build that has ended"
    if not same_examples(client, first, second):
        return "the builds were tested on other examples"
    tables = [predictions(client, run) for run, _ in (first, second)]
    if any(table is None or LABEL not in table.column_names for table in tables):
        return "only classes are compared example by example"
    right = [is_right(table, facts.handed_on) for table, (_, facts) in zip(tables, (first, second), strict=True)]
    if len(right[0]) != len(right[1]) or not len(right[0]):
        return "the builds were tested on other examples"
    worse, better = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    total = len(right[0])
    low, high = paired_interval(worse, better, total)
    return Paired(total, worse, better, (worse - better) / total, -high, -low, mcnemar_p(worse, better))


def same_examples(client: "MlflowClient", first: "tuple[Run, Facts]", second: "tuple[Run, Facts]") -> bool:
    """Whether two builds were tested on the same examples, by the hashes of their data or of the test split."""
    hashes = [facts.data.get("data/prepared") for _, facts in (first, second)]
    if None not in hashes and hashes[0] == hashes[1]:
        return True
    stores = [artifact(client, run, "data/test/store.json") or {} for run, _ in (first, second)]
    known = [store.get("sha256") for store in stores]
    return None not in known and known[0] == known[1] and bool(stores[0]["examples"])


def predictions(client: "MlflowClient", run: "Run") -> pa.Table | None:
    """Return a build's table of predictions; None if it has none."""
    with artifact_file(client, run, "evaluation/predictions.parquet") as path:
        return None if path is None else pq.read_table(path)


def is_right(table: pa.Table, role: str | None) -> Any:
    """Return which predictions of a model are right: (N,) bool, in the order of the rows."""
    order = np.argsort(table.column("row").to_numpy(), kind="stable")
    return (table.column(role).to_numpy() == table.column(LABEL).to_numpy())[order]
