"""`sprout show`: what a run was made from, and what came of it."""

import json as json_format
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from sprout.commands.runs import table_of
from sprout.commands.terminal import print_all

if TYPE_CHECKING:
    from sprout.tracking.reading.facts import Facts


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="its id, the beginning of it, or its name")],
    json: Annotated[bool, typer.Option("--json", help="print all as one JSON object, with every setting")] = False,
) -> None:
    """Print code, settings, data, labels and figures of a run."""
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    with waiting("importing MLflow"):
        from sprout.tracking.reading.facts import facts_of
        from sprout.tracking.reading.find import find_run
        from sprout.tracking.reading.store import open_store

        client = open_store()
    with waiting("reading the run"):
        facts = facts_of(client, find_run(client, run))
    if json:
        print(json_format.dumps(asdict(facts), ensure_ascii=False, indent=2))
    else:
        print_all(lines(facts))


def lines(facts: "Facts") -> "Iterator[Table | str]":
    """Yield what is printed."""
    run = facts.run
    yield f"{run.name}: {run.result}" if run.result else run.name
    yield from (f"{name:<9} {text}" for name, text in details(facts) if text)
    if facts.figures:
        yield ""
        yield figures_table(facts.figures)
    if facts.children:
        yield ""
        yield table_of(facts.children)


def details(facts: "Facts") -> Iterator[tuple[str, str]]:
    """Yield what is said in a line each; empty if nothing is known."""
    from sprout.tracking.reading.lineage import counted

    run = facts.run
    took = f", took {run.took}" if run.took else ""
    who = " on ".join(filter(None, [facts.user, facts.host]))
    yield "run", f"{run.id}, a {run.kind} of the experiment {run.experiment}, {run.state}"
    yield "why", facts.reason or ""
    yield "when", f"{run.started.replace('T', ' ')}{took}" + (f", by {who}" if who else "")
    changed = "with changes that its artifact git.diff has" if facts.dirty else "unchanged"
    yield "code", f"commit {facts.commit}, {changed}" if facts.commit else "not in git"
    yield "settings", " ".join(facts.overrides) or "as the experiment's file says; --json prints all"
    yield "data", ", ".join(f"{path} {digest[:12]}" for path, digest in facts.data.items())
    yield "examples", ", ".join(counted(name, split) for name, split in facts.splits.items() if split["examples"])
    for role, found in facts.own_labels.items():
        yield (
            "labels",
            f"the {role} gave {found['accepted']:,} of {found['pool']:,} unlabelled examples one{right(found)}",
        )
    yield "result", f"the {facts.handed_on} is handed on" if facts.handed_on else ""


def right(found: dict[str, float | None]) -> str:
    """Return how many of the labels are right, with the interval, if that is known."""
    for how in ("measured", "estimated"):
        share = found.get(f"precision_{how}")
        if share is not None:
            low, high = found[f"precision_{how}_low"], found[f"precision_{how}_high"]
            return f", {share:.1%} of them right ({how}, 95% interval {low:.1%} to {high:.1%})"
    return ""


def figures_table(metrics: dict[str, float]) -> Table:
    """Return the figures: one row for each, one column for each model."""
    roles = list(dict.fromkeys(name.rpartition("/")[0] for name in metrics))
    names = list(dict.fromkeys(name.rpartition("/")[2] for name in metrics))
    table = Table("", *(role or "value" for role in roles), box=None, pad_edge=False)
    for name in names:
        cells = [metrics.get(f"{role}/{name}" if role else name) for role in roles]
        table.add_row(name, *("" if cell is None else f"{cell:.5g}" for cell in cells))
    return table
