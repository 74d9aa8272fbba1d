"""Writes a trained model as one file for other programs, and checks it against the model on real examples."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

import sprout
from sprout.data.store import Array, Store, open_store
from sprout.export import onnx_file, torch_file
from sprout.export.whole_model import WholeModel, without_gradients
from sprout.models.predictor import Predictor, load_predictor
from sprout.runtime.checksums import sha256
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write, read_json
from sprout.runtime.model_folder import CARD, WEIGHTS
from sprout.runtime.workspace import find_workspace

CHECKED = 256
"""Examples that the file and the model predict, at most."""
BATCH = 100
"""Of the check; the last one is smaller, so that another number of examples is tried as well."""
TOLERANCE = 1e-3
"""By how much predictions may differ, as a share of the largest one."""


class Kind(NamedTuple):
    """A kind of file."""

    suffix: str
    write: Callable[[WholeModel, Tensor, Mapping[str, str], Path], None]
    runner: Callable[[Path], Callable[[Array], Array]]


KINDS = {
    "onnx": Kind(".onnx", onnx_file.write, onnx_file.runner),
    "torch": Kind(".pt2", torch_file.write, torch_file.runner),
}


@dataclass(frozen=True)
class Exported:
    """A file that was written and checked."""

    path: Path
    bytes: int
    takes: str
    """Type and shape of the input, N for the number of examples."""
    gives: str
    """The same of the predictions."""
    split: Path
    """The file was checked on examples of it."""
    examples: int
    """So many."""
    difference: float
    """The largest one between a prediction of the file and of the model."""


class DifferentError(RuntimeError):
    """The file does not predict what the model predicts."""


def export(name: str, folder: Path, kind: str, path: Path, examples: Path) -> Exported:
    """Write the model of a folder as a file; the file is there only if it predicts what the model predicts.

    Args:
        name: of the model, as the user has given it.
        folder: of the model.
        kind: a key of `KINDS`.
        path: of the file.
        examples: a prepared split with examples as the model takes them.

    Raises:
        UserError: there is no such model or split, they do not fit each other, or the network cannot be exported.
        DifferentError: the file predicts something else.
    """
    model = load_predictor(folder)
    store = fitting(open_store(examples), model, name)
    known = store.take(np.arange(min(len(store), CHECKED)))
    how = KINDS[kind]
    with atomic_write(path) as beside:
        # The batch that is recorded needs two examples: of one, torch would take its number for a constant.
        recorded = torch.from_numpy(np.concatenate([known, known])[:2].copy())
        how.write(without_gradients(model), recorded, facts(name, model, folder), beside)
        difference = compared(model, how.runner(beside), known)
        size = beside.stat().st_size
    kind_of, shape = model.task.signature(model.card.input_shape, model.classes)
    return Exported(
        path,
        size,
        described(str(known.dtype), known.shape[1:]),
        described(kind_of, shape[1:]),
        examples,
        len(known),
        difference,
    )


def check_split(folder: Path) -> Path:
    """Return the split that a model is checked on: val of its workspace, or train where cross-validation has no val."""
    here = find_workspace(folder.resolve()) or find_workspace(Path.cwd()) or Path.cwd()
    val, train = (Path(os.path.relpath(here / "data/prepared" / name)) for name in ("val", "train"))
    return val if not (val / "store.json").exists() or read_json(val / "store.json")["examples"] else train


def fitting(store: Store, model: Predictor, name: str) -> Store:
    """Return the store.

    Raises:
        UserError: it has no examples, or others than the model takes.
    """
    if not len(store):
        raise UserError(f"{store.folder}: has no examples to check the file on; name another split: --examples FOLDER")
    if list(store.shape) != list(model.card.input_shape):
        shapes = ["×".join(map(str, shape)) for shape in (store.shape, model.card.input_shape)]
        raise UserError(
            f"{store.folder}: examples of {shapes[0]}, and {name} takes {shapes[1]}; name another split: "
            "--examples FOLDER"
        )
    return store


def facts(name: str, model: Predictor, folder: Path) -> dict[str, str]:
    """Return what the file says of its model; lists are JSON."""
    card = model.card
    lists = {"classes": card.classes, "features": card.features or [], "input_shape": card.input_shape}
    return {
        "task": card.task,
        **{key: json.dumps(value, ensure_ascii=False) for key, value in lists.items()},
        "model": name,
        "weights_sha256": sha256(folder / WEIGHTS),
        "card_sha256": sha256(folder / CARD),
        "sprout": sprout.__version__,
    }


def compared(model: Predictor, run: Callable[[Array], Array], examples: Array) -> float:
    """Return the largest difference between the predictions of the file and of the model.

    Raises:
        DifferentError: it is more than rounding explains.
    """
    largest, scale = 0.0, 0.0
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        expected = model.predict(batch).astype(np.float64)
        largest = max(largest, float(np.abs(run(batch) - expected).max()))
        scale = max(scale, float(np.abs(expected).max()))
    if not largest <= TOLERANCE * scale:
        raise DifferentError(
            f"the file's predictions differ from the model's by up to {largest:.3g}, on {len(examples)} examples; "
            "nothing was written"
        )
    return largest


def described(kind: str, shape: tuple[int, ...]) -> str:
    """Return type and shape of a batch in words."""
    return f"{kind} ({', '.join(map(str, ('N', *shape)))})"
