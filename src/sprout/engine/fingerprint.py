"""The fingerprint of a training, which names its checkpoints, and the name of its result."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sprout.config.model import Target
from sprout.config.train import GradientDescent, Training
from sprout.config.workspace import read_yaml
from sprout.data.dataset import Examples, Measured, TrainingData
from sprout.engine.initial import StartWeights
from sprout.models.card import ModelCard
from sprout.runtime.checksums import SUMS

SPROUT = Path(__file__).parents[1]
OBSERVERS = (
    "engine/checks.py",
    "engine/dry_run.py",
    "engine/fingerprint.py",
    "engine/fit_estimator.py",
    "engine/plan.py",
    "engine/result.py",
    "engine/tracked.py",
)
"""Files among CODE that change no step: what is checked before a training and written after it, and scikit-learn's
single call, which has no checkpoints."""
CODE = (
    "augment/draws.py",
    "augment/transforms.py",
    "config/augment.py",
    "config/model.py",
    "config/train.py",
    "data/dataset.py",
    "data/foreign.py",
    "data/loader.py",
    "data/shards.py",
    "data/store.py",
    "data/store_manifest.py",
    "engine",
    "methods",
    "models",
    "tasks",
    "weights/tensor_file.py",
    "weights/warm_start.py",
)
"""Files and folders whose change may change the steps."""
STAGE_OF = {"teacher": "train", "train": "train", "round": "pseudo_label", "control": "control", "student": "retrain"}
"""By role of a model the stage of `dvc.yaml` that trains it; `sprout train` depends on what the stage `train` does."""
MADE = ("data/", "models/")
"""Where what earlier stages have made is, large files beside records with their checksums."""
OBSERVING = ("checkpoint_minutes", "log_steps")
"""Settings that change no step."""
LIBRARIES = ("numpy", "pytorch-lightning", "scikit-learn", "torch", "torchvision")


def fingerprint(training: Training, card: ModelCard, start: StartWeights | None, data: TrainingData) -> str:
    """16 hexadecimal digits over settings, examples, labels, the code that trains and its libraries.

    Two trainings of the same name take the same steps, so one may resume the other.
    """
    settings = {
        "training": {key: value for key, value in asdict(training).items() if key not in OBSERVING},
        "processes": training.processes,
        "card": asdict(card),
        "start": start.checksum if start else None,
        "libraries": {library: version(library) for library in LIBRARIES},
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    columns = training.method.columns if isinstance(training, GradientDescent) else ()
    for examples in (data.train, data.val, data.pool):
        if examples is not None:
            add_examples(digest, examples, columns)
    if data.held_out is not None:
        add_held_out(digest, data.held_out)
    for path in [*code(), *own_code(training, card)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def result_name(fingerprint: str, role: str) -> str:
    """The name of the result of a training: of its fingerprint, and of all files that its stage depends on.

    When DVC runs a stage because a dependency has changed, no result from before has the name that is asked for.

    Args:
        fingerprint: of the training.
        role: of the model: teacher, round, control, student or train.
    """
    digest = hashlib.sha256(fingerprint.encode())
    for path in dependencies(STAGE_OF[role]):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def dependencies(stage: str) -> Iterator[Path]:
    """The files that a stage depends on by `dvc.yaml`; of what earlier stages have made, those with checksums."""
    project = SPROUT.parents[1]
    for dep in read_yaml(project / "dvc.yaml")["stages"][stage]["deps"]:
        made = dep.startswith(MADE)
        path = Path(dep) if made else project / dep
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            counts = file.name == SUMS or file.suffix == ".json" if made else "__pycache__" not in file.parts
            if counts and file.is_file():
                yield file


def add_examples(digest: Any, examples: Examples, columns: tuple[str, ...]) -> None:
    """Add examples, targets and further columns of the label tables to a digest."""
    for store in examples.stores:
        digest.update(store.checksum.encode())
    for column in (examples.store_of, examples.rows, examples.targets, *map(examples.column, columns)):
        digest.update(column.tobytes())


def add_held_out(digest: Any, held_out: Measured) -> None:
    """Add what the finished model is measured by: two results of the same name are equal, too."""
    add_examples(digest, held_out.examples, ())
    if held_out.examined is not None:
        digest.update(held_out.examined.tobytes())


def code() -> list[Path]:
    """The files whose change may change a training's steps."""
    observers = {SPROUT / path for path in OBSERVERS}
    paths = {path for name in CODE for path in [SPROUT / name, *(SPROUT / name).rglob("*.py")] if path.is_file()}
    return sorted(paths - observers)


def own_code(training: Training, card: ModelCard) -> Iterator[Path]:
    """The files of the user's own classes, a network's and an optimizer's."""
    names = [card.architecture.target] if isinstance(card.architecture, Target) else []
    if isinstance(training, GradientDescent):
        names.append(training.optimizer.name)
    for name in names:
        if "." in name and (file := import_module(name.rpartition(".")[0]).__file__):
            yield Path(file)
