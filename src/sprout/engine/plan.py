"""A training before its first step: its examples, the card of its model, and that they fit one another."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sprout.data.dataset import Examples
from sprout.data.description import describe
from sprout.data.store import open_store
from sprout.engine.checks import check_machine, check_settings, check_trainable
from sprout.engine.dry_run import check_network
from sprout.engine.initial import initial_card
from sprout.engine.tasks import TASKS
from sprout.models.card import ModelCard
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json

WEIGHTS = Path("data/pretrained")
"""Where the stage `pretrained` puts them."""
CHECKED = ("task", "transforms", "batch_size", "monitor")
"""Settings that must fit the examples."""
Log = Callable[[dict[str, float], int], None]


@dataclass(frozen=True)
class Plan:
    """What is trained on what, and how."""

    train: Examples
    val: Examples
    card: ModelCard
    """The model, before it has learned anything."""
    settings: dict[str, Any]
    """Further keyword arguments of what does it."""
    run: Callable[..., None]
    """Takes (folder, train, val, card), `checkpoints`, `log` and the settings; writes the model folder."""


def plan(
    examples: Examples,
    prepared: Path,
    role: str,
    *,
    method: str,
    normalise: str,
    architecture: dict[str, Any],
    **settings: Any,
) -> Plan:
    """Plan a training.

    Args:
        examples: what there is to train on; each task takes those that have what it learns.
        prepared: the prepared data, whose val split picks the best epoch.
        role: teacher, student or train.
        method: gradient_descent or scikit_learn.
        normalise: how an example's numbers are scaled.
        architecture: the section `model`.
        settings: further settings of the training's section.

    Raises:
        UserError: the data, or settings on such data, are none that can be trained with.
    """
    section, described = "retrain" if role == "student" else "train", describe(prepared)
    task = settings["task"] if method == "gradient_descent" else estimated(architecture)
    column = TASKS[task["kind"]].column if task["kind"] in TASKS else None
    train, val = examples.knowing(column), Examples.of(open_store(prepared / "val"), target=column)
    check_trainable(prepared, described, train, val, section=section, kind=task["kind"])
    card = initial_card(described, train, task, normalise, architecture, role)
    settings["start"] = start(section, settings.get("unfreeze"))
    if method == "scikit_learn":
        return Plan(train, val, card, settings, by_scikit_learn)
    check_settings(train, section=section, **{key: settings[key] for key in CHECKED})
    check_machine(section, settings["accelerator"], settings["precision"])
    check_network(card, train, section=section, **settings)
    return Plan(train, val, card, settings, by_gradient_descent)


def estimated(architecture: dict[str, Any]) -> dict[str, Any]:
    """What one of scikit-learn's models learns."""
    return {"kind": "cluster" if architecture["name"] == "kmeans" else "classify"}


def start(section: str, unfreeze: dict[str, Any] | None) -> dict[str, Any] | None:
    """The weights that the network starts from, by their checksum; None where it starts from chance."""
    path = WEIGHTS / "pretrained.json"
    if not path.is_file():
        raise UserError(f"{path}: not found; `dvc repro pretrained` makes it")
    record = read_json(path)
    if record is None and unfreeze is not None:
        raise UserError(
            f"{section}.unfreeze: freezes weights that come from chance; set pretrained.source, or null here"
        )
    return None if record is None else {"folder": str(WEIGHTS), "weights": record["weights"]}


def by_gradient_descent(*args: Any, **settings: Any) -> None:
    """Lightning's import takes seconds, in which this process would not yet hear a signal: not before all is well."""
    from sprout.engine.train_model import train_model

    train_model(*args, **settings)


def by_scikit_learn(*args: Any, **settings: Any) -> None:
    """Likewise."""
    from sprout.engine.estimate import estimate

    estimate(*args, **settings)
