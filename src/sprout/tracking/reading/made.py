"""From what a model was made, as its run in the store says, or without one its workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sprout.config.workspace import read_build
from sprout.evaluate.tested_on import CROSS_VALIDATION, TEST, tested_on
from sprout.runtime.files import read_json
from sprout.runtime.model_folder import ROLES, own_models, read_card
from sprout.tracking.describe import params_of, title
from sprout.tracking.lineage import ORIGINS, data_hashes
from sprout.tracking.reading.facts import Facts, facts_of
from sprout.tracking.registry.versions import newest_version
from sprout.tracking.tags import BUILD

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

VAL = "val"
MEASURED_ON = {f"{VAL}_": VAL, f"{TEST}_": TEST, f"{CROSS_VALIDATION}_": CROSS_VALIDATION}
"""How the names of a model's figures begin, and what they are of."""
OUTPUTS = ("data/pseudo_labels", *(f"models/{role}" for role in ROLES), "reports/evaluation")
Figures = dict[str, dict[str, float]]
"""By val, test or cross_validation: metric → value."""


@dataclass(frozen=True)
class Made:
    """A build, or a training outside of one, and what it was made from."""

    title: str
    kind: str
    """build, or the role of a training on its own: train, trial or sweep."""
    run: str | None
    """Its id; None if no store knows it."""
    settings: dict[str, str]
    """All, with dotted keys."""
    data: dict[str, str]
    """Path → DVC's hash of it."""
    splits: dict[str, dict[str, int]]
    """Split → `examples` and `labelled`."""
    labels: dict[str, dict[str, Any]]
    """Labeller (teacher, round 2, …, student) → what is known of the labels that it gave unlabelled examples."""
    figures: dict[str, Figures]
    """By model; of a training on its own by its kind."""
    runs: dict[str, tuple[str, ...]]
    """By teacher, round 2, control, student: the ids of the runs of its trainings."""
    models: tuple[str, ...]
    """The models that were trained: teacher, control, student."""
    handed_on: str | None
    version: str | None
    """The registered version, such as `digits version 3 (champion)`."""


def made_in(client: "MlflowClient", run: "Run") -> Made:
    """Return what the store says of a build, or of a training outside of one."""
    facts = facts_of(client, run)
    runs: dict[str, tuple[str, ...]] = {}
    for child in facts.children:
        name = child.name if child.kind == "round" else child.kind
        runs[name] = (*runs.get(name, ()), child.id)
    of_build = facts.run.kind == BUILD
    figures = by_model(facts.figures) if of_build else {facts.run.kind: measured(facts.figures)}
    return Made(
        title=facts.run.name,
        kind=facts.run.kind,
        run=facts.run.id,
        settings=facts.settings,
        data=facts.data,
        splits=facts.splits,
        labels=facts.labels,
        figures=figures,
        runs=runs,
        models=tuple(role for role in ROLES if role in runs or (role == "teacher" and role in figures)),
        handed_on=facts.handed_on,
        version=version_of(client, facts) if of_build else None,
    )


def version_of(client: "MlflowClient", facts: Facts) -> str | None:
    """Return the registered version of a build; None if it has none."""
    version = newest_version(client, f"run_id = '{facts.run.id}'")
    if version is None:
        return None
    aliases = client.get_model_version(version.name, str(version.version)).aliases
    return f"{version.name} version {version.version}" + (f" ({', '.join(aliases)})" if aliases else "")


def by_model(metrics: Mapping[str, float]) -> dict[str, Figures]:
    """Return the figures of each model of a build, whose names are such as student/test_error_rate."""
    return {
        role: measured({key.partition("/")[2]: value for key, value in metrics.items() if key.startswith(f"{role}/")})
        for role in ROLES
        if any(key.startswith(f"{role}/") for key in metrics)
    }


def measured(metrics: Mapping[str, float]) -> Figures:
    """Return the figures of one model, whose names are such as test_error_rate, by what they are of."""
    found: Figures = {}
    for key, value in metrics.items():
        for begins, split in MEASURED_ON.items():
            if key.startswith(begins):
                found.setdefault(split, {})[key.removeprefix(begins)] = value
    return found


def made_here(root: Path) -> Made:
    """Return what a workspace says of the build in it.

    Raises:
        UserError: a file is missing or damaged.
    """
    build, models = read_build(root / "build/config.yaml"), root / "models"
    evaluation, trained = read_json(root / "reports/evaluation/metrics.json"), own_models(models)
    split = tested_on(evaluation)
    return Made(
        title=title(build),
        kind=BUILD,
        run=None,
        settings=params_of(build.config),
        data=data_hashes(root, (*ORIGINS, *OUTPUTS)),
        splits=read_json(root / "data/prepared/summary.json")["splits"],
        labels=evaluation["pseudo_labels"],
        figures={
            role: {VAL: read_json(folder / "metrics.json")["val"], split: evaluation[split][role]}
            for role, folder in trained.items()
        },
        runs={},
        models=tuple(role for role, folder in trained.items() if not read_card(folder)["kept"]),
        handed_on=evaluation["handed_on"],
        version=None,
    )
