"""The errors of the handed-on model on each example that models are chosen by: builds are compared by them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from sprout.data.store import Array, Store
from sprout.tasks.scores import Errors

if TYPE_CHECKING:
    from sprout.evaluate.judged import Judged
    from sprout.evaluate.ranges import Model
    from sprout.models.predictor import Predictor
    from sprout.runtime.engine import Engine

VAL_ERRORS = "val_errors.parquet"


@dataclass(frozen=True)
class ValErrors:
    """The errors of one model."""

    measure: str
    """The score that their mean is, such as error_rate."""
    split: str
    """val, or train with cross-validation."""
    examples: str
    """SHA-256 of the examples with all that their errors depend on beside the model: targets, classes, folds."""
    errors: Array
    """(n,) float64; less is better."""

    @property
    def crossed(self) -> bool:
        """Whether they are from cross-validation."""
        return self.split != "val"


def write_val_errors(folder: Path, model: "Model", prepared: Path, engine: "Engine", what: str) -> None:
    """Write the errors of the model that is handed on.

    Args:
        folder: of the evaluation.
        model: the model.
        prepared: the folder of the stage `prepare`.
        engine: where many examples are examined.
        what: shown beside the progress.
    """
    from sprout.evaluate.judged import judged_by  # here, as it imports torch, which readers of the errors do not need

    write_errors(folder, judged_by(model, prepared, engine, what), model.predictor)


def write_errors(folder: Path, judged: "Judged", model: "Predictor") -> None:
    """Write `val_errors.parquet`: `row` and `error` of each example whose target is known.

    Nothing is written where the errors of two models of this task cannot be compared.
    """
    found = model.task.errors(judged.outcomes, model.card, judged.store)
    if found is None:
        return
    about = {
        "measure": found.measure,
        "split": judged.split,
        "examples": digest(judged.store, found, model.card.classes),
    }
    table = pa.table({"row": found.rows, "error": found.errors}).replace_schema_metadata(about)
    pq.write_table(table, folder / VAL_ERRORS, compression="zstd")


def digest(store: Store, found: Errors, classes: list[str]) -> str:
    """SHA-256 of examples and of what their errors depend on beside the model."""
    folds = store.labels["fold"].fill_null(-1).to_numpy()
    said = hashlib.sha256(json.dumps([store.checksum, found.measure, classes]).encode())
    for each in (found.rows, found.targets, folds):
        said.update(each.tobytes())
    return said.hexdigest()


def read_val_errors(path: Path) -> ValErrors:
    """Read what `write_val_errors` wrote."""
    table = pq.read_table(path)
    about = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return ValErrors(about["measure"], about["split"], about["examples"], table["error"].to_numpy())
