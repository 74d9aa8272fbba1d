"""The lineage of a model as a graph: data, splits, teacher, pseudo-labels, student, evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from sprout.evaluate.tested_on import CROSS_VALIDATION
from sprout.tracking.reading.made import VAL, Figures, Made
from sprout.tracking.tags import BUILD

SOURCE, RAW, PREPARED, COPIES, WEIGHTS = "own files", "raw data", "prepared data", "augmented copies", "weights"
PATHS = {
    SOURCE: "data/source",
    RAW: "data/raw",
    PREPARED: "data/prepared",
    COPIES: "data/augmented",
    WEIGHTS: "data/pretrained",
}
EVALUATION, VERSION = "evaluation", "registered model"
FIRST = ("error_rate", "mae", "mse", "inertia")
"""The metric that is shown of a model: the first of these that it has."""
Kind = Literal["data", "model", "labels", "result"]


@dataclass(frozen=True)
class Node:
    """Something that was made."""

    name: str
    """Unique in its graph."""
    kind: Kind
    sources: tuple[str, ...]
    """The names of what it was made from."""
    path: str | None = None
    """In the workspace."""
    hash: str | None = None
    """DVC's, of what lies there."""
    runs: tuple[str, ...] = ()
    """The ids of the runs in which it was trained."""
    details: tuple[str, ...] = ()
    """What else is known of it, in a line each."""


@dataclass(frozen=True)
class Lineage:
    """A graph; each node comes after its sources."""

    title: str
    run: str | None
    """The id of the build's run."""
    asked: str | None
    """The node that was asked for; None: the whole."""
    nodes: tuple[Node, ...]


def lineage(made: Made, asked: str | None = None) -> Lineage:
    """Return the graph of a build, or of a training outside of one.

    Args:
        made: what is known.
        asked: the model that was asked for.
    """
    nodes = list(data_nodes(made))
    nodes += of_build(made, nodes) if made.kind == BUILD else [alone(made, nodes)]
    names = {node.name for node in nodes}
    return Lineage(made.title, made.run, asked if asked in names else None, tuple(nodes))


def data_nodes(made: Made) -> Iterator[Node]:
    """Yield the data that models are trained on, as far as there is any."""
    settings = made.settings
    origin = ": ".join(filter(None, [settings.get("download.source"), settings.get("download.name")]))
    has_copies = settings.get("augment.copies", "0") != "0"
    said = {
        SOURCE: ((), ()),
        RAW: ((SOURCE,) if PATHS[SOURCE] in made.data else (), (origin,)),
        PREPARED: ((RAW,) if PATHS[RAW] in made.data else (), splits(made)),
        COPIES: ((PREPARED,), (f"{settings.get('augment.copies')} of each labelled training example",)),
        WEIGHTS: ((), (settings.get("pretrained.source", ""),)),
    }
    for name, (sources, details) in said.items():
        if PATHS[name] in made.data and (name != COPIES or has_copies):
            known = tuple(filter(None, details))
            yield Node(name, "data", sources, PATHS[name], made.data[PATHS[name]], details=known)


def splits(made: Made) -> tuple[str, ...]:
    """Return how many examples each split has, and how many of them have a label."""
    counts = [counted(name, split) for name, split in made.splits.items() if split["examples"]]
    folds = (f"{made.settings['prepare.folds']} folds for cross-validation",) if has_folds(made) else ()
    return (", ".join(counts), *folds)


def has_folds(made: Made) -> bool:
    """Return whether models are chosen by cross-validation in place of val."""
    return made.settings.get("prepare.folds", "null") != "null"


def counted(name: str, split: dict[str, int]) -> str:
    """Return how many examples a split has, and how many labels unless all or none of them have one."""
    examples, labelled = split["examples"], split["labelled"]
    return f"{name} {examples:,}" + (f" ({labelled:,} labelled)" if 0 < labelled < examples else "")


def alone(made: Made, data: list[Node]) -> Node:
    """Return a training that belongs to no build."""
    trained_on = tuple(node.name for node in data if node.name in (PREPARED, COPIES, WEIGHTS))
    return model(made, made.kind, trained_on, (made.run,) if made.run else ())


def of_build(made: Made, data: list[Node]) -> Iterator[Node]:
    """Yield models, pseudo-labels and results of a build."""
    trained_on = tuple(node.name for node in data if node.name in (PREPARED, COPIES, WEIGHTS))
    yield model(made, "teacher", trained_on)
    labels = list(pseudo_labels(made))
    yield from labels
    last = tuple(node.name for node in labels[-1:])
    further = tuple(role for role in made.models if role != "teacher")
    for role in further:
        node = model(made, role, (*trained_on, *(last if role == "student" else ()), "teacher"))
        own = made.labels.get("student") if role == "student" else None
        yield replace(node, details=(*node.details, f"its own labels: {accepted(own)}")) if own else node
    handed_on = (f"hands on the {made.handed_on}",) if made.handed_on else ()
    path = "reports/evaluation"
    if made.handed_on or path in made.data:
        yield Node(EVALUATION, "result", (PREPARED, "teacher", *further), path, made.data.get(path), details=handed_on)
    if made.version:
        yield Node(VERSION, "result", (EVALUATION,), details=(made.version,))


def model(made: Made, role: str, sources: tuple[str, ...], runs: tuple[str, ...] = ()) -> Node:
    """Return a model that was trained."""
    path = f"models/{role}" if made.kind == BUILD else None
    figures = made.figures.get(role, {})
    if has_folds(made):  # then what is called val is from cross-validation, too
        figures = {(CROSS_VALIDATION if split == VAL else split): figures[split] for split in figures}
    details = tuple(filter(None, [result(figures)]))
    return Node(role, "model", sources, path, made.data.get(path or ""), runs or made.runs.get(role, ()), details)


def pseudo_labels(made: Made) -> Iterator[Node]:
    """Yield the pseudo-labels of each round: the first are the teacher's, further ones a model's that learned them."""
    rounds = [labeller for labeller in made.labels if labeller != "student"]
    for number, labeller in enumerate(rounds, 1):
        before = "teacher" if number == 1 else name_of(number - 1)
        path = "data/pseudo_labels" if number == len(rounds) else None  # of the last round alone
        runs = () if number == 1 else made.runs.get(labeller, ())
        details = (accepted(made.labels[labeller]),)
        yield Node(name_of(number), "labels", (PREPARED, before), path, made.data.get(path or ""), runs, details)


def name_of(number: int) -> str:
    """Return the name of the pseudo-labels of a round."""
    return f"pseudo-labels {number}"


def accepted(found: dict[str, Any]) -> str:
    """Return how many unlabelled examples got a label, and how many of the labels are right, if that is known."""
    text = f"{found['accepted']:,} of {found['pool']:,} unlabelled examples"
    for how in ("measured", "estimated"):
        if (share := found.get(f"precision_{how}")) is not None:
            return f"{text}, {share:.1%} right ({how})"
    return text


def result(figures: Figures) -> str:
    """Return the metric that matters most, on val and on test; empty if there is none."""
    names = [name for name in FIRST if any(each.get(name) is not None for each in figures.values())]
    if not names:
        return ""
    shown = ", ".join(
        f"{value(names[0], each[names[0]])} {where(split)}" for split, each in sorted(figures.items(), reverse=True)
    )
    return f"{names[0].replace('_', ' ')} {shown}"


def value(name: str, number: float) -> str:
    """Return a metric as it is shown."""
    return f"{number:.1%}" if name == "error_rate" else f"{number:.4g}"


def where(split: str) -> str:
    """Return what a metric was measured on."""
    return "cross-validated" if split == CROSS_VALIDATION else f"on {split}"
