"""`sprout reproduce`: a tracked run made again, and whether it came out the same."""

import json as json_format
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from sprout.commands.terminal import print_all, print_error

if TYPE_CHECKING:
    from sprout.reproduce.data import Data
    from sprout.reproduce.reproduce import Outcome
    from sprout.reproduce.verdict import Pair, Verdict


def reproduce(
    run: Annotated[str, typer.Argument(metavar="RUN", help="its id, the beginning of it, or its name")],
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="where; default: a temporary folder beside the repository")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="leave the folder, with the run made again")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what can be had of code and data")] = False,
    json: Annotated[bool, typer.Option("--json", help="print all as one JSON object")] = False,
) -> None:
    """Make a run again from its commit, settings and data, and say whether it came out the same.

    The exit code is 0 where it did, 1 where it did not or could not be made.
    """
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    below = enter_workspace()
    with waiting("importing MLflow and DVC"):
        from sprout.reproduce.checkout import Place
        from sprout.reproduce.processes import ReproduceError
        from sprout.reproduce.reproduce import reproduce as make_again
        from sprout.tracking.reading.find import find_run
        from sprout.tracking.reading.store import open_store

        client = open_store()
    try:
        place = Place(None if into is None else below / into, keep)
        outcome = make_again(client, find_run(client, run), place, dry=dry_run)
    except ReproduceError as error:
        print_error(error)
        raise typer.Exit(1) from None
    if json:
        print(json_format.dumps(as_dict(outcome), ensure_ascii=False, indent=2))
    else:
        print_all(lines(outcome))
    if not is_well(outcome):
        raise typer.Exit(1)


def is_well(outcome: "Outcome") -> bool:
    """Whether the run came out the same; of a dry run, whether nothing is known to be gone."""
    if outcome.verdict is None:
        return all(data.origin != "gone" for data in outcome.data)
    return outcome.verdict.same


def as_dict(outcome: "Outcome") -> dict[str, Any]:
    """Return what is printed as JSON."""
    verdict = outcome.verdict and asdict(outcome.verdict) | {
        "same": outcome.verdict.same,
        "differing": list(outcome.verdict.differing),
    }
    return asdict(outcome) | {"verdict": verdict}


def lines(outcome: "Outcome") -> "Iterator[Table | str]":
    """Yield what is printed, the verdict last."""
    changes = " and the changes kept with it" if outcome.patched else ""
    yield f"run       {outcome.run}, a {outcome.kind}: {outcome.name}"
    yield f"code      commit {outcome.commit}{changes}"
    if outcome.lost:
        yield f"          without {', '.join(outcome.lost)}, which the run has not kept"
    if outcome.set:
        yield f"settings  beside the overrides, as the run had them: {', '.join(outcome.set)}"
    yield from (f"data      {described(data)}" for data in outcome.data)
    if outcome.verdict is not None:
        yield from verdict_lines(outcome.verdict)


def described(data: "Data") -> str:
    """Return where data comes from."""
    digest = (data.wanted or "")[:12] or "its hash was not recorded"
    places = {
        "cache": "from DVC's cache",
        "made again": "made again by its stage",
        "gone": "can no longer be had: in no cache and no DVC remote, and what it was made from is gone",
    }
    return f"{data.path} ({digest}): {places.get(data.origin, f'from the DVC remote {data.origin}')}"


def verdict_lines(verdict: "Verdict") -> "Iterator[Table | str]":
    """Yield what differs, what may be why, and the verdict."""
    if verdict.differing:
        yield ""
        yield table_of("differs", verdict.differing)
    if verdict.environment:
        yield ""
        yield table_of("computed with", verdict.environment)
    yield ""
    yield sentence(verdict)


def table_of(title: str, pairs: "dict[str, Pair]") -> Table:
    """Return values then and now, and of figures the difference."""
    table = Table(title, "then", "now", "difference", box=None, pad_edge=False)
    for name, (then, now) in pairs.items():
        both = isinstance(then, float) and isinstance(now, float)
        difference = f"{float(now or 0) - float(then or 0):+.5g}" if both else ""
        table.add_row(name, *(written(name, value) for value in (then, now)), difference)
    return table


def written(name: str, value: str | float | None) -> str:
    """Return a value as it is printed; the beginning of a hash."""
    if isinstance(value, float):
        return f"{value:.5g}"
    hashed = name.endswith(": weights") or name.startswith(("data/", "models/"))
    return "" if value is None else value[:12] if hashed else value


def sentence(verdict: "Verdict") -> str:
    """Return the verdict."""
    if not verdict.same:
        return f"another result: {len(verdict.differing)} differ; {why(verdict)}"
    equal = [f"the weights of {name}" for name in verdict.weights if name not in verdict.unknown]
    equal += [f"{path}" for path in verdict.outputs]
    figures = f"all {len(verdict.figures)} figures are equal"
    if not equal:
        return f"the same figures: {figures}; the weights of the run were not kept, so their bits are not compared"
    return f"the same bits: {', '.join(equal)} and {figures}"


def why(verdict: "Verdict") -> str:
    """Return what may have changed the result."""
    if not verdict.recorded:
        return (
            "the run has not recorded its CPU, threads, GPU and versions of libraries, as runs do now, so it cannot be "
            "said whether these have changed"
        )
    if verdict.environment:
        return f"another {', '.join(verdict.environment)} can change the last bits of each step, and so the result"
    return (
        "CPU, threads and versions of libraries are as they were; a GPU does not repeat its bits, and neither do files "
        "that are read from outside of the workspace"
    )
