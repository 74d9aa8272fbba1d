"""The files of a model folder, and its card as JSON, for who needs neither torch nor the typed card."""

from pathlib import Path
from typing import Any

from sprout.runtime.checksums import REMEDY, check_sums
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json

CARD, WEIGHTS = "model.json", "model.safetensors"
ROLES = ("teacher", "control", "student")
"""The models of a build, each compared with the one before it."""
NOT_KEPT = "not_kept"
"""In the student's folder, where its rival is handed on: the folder of the student itself."""


def own_models(models: Path) -> dict[str, Path]:
    """The folder of each model of a build, without a control that was not trained.

    Where another model is handed on in the place of a trained student, that of the student itself.

    Args:
        models: the folder of what the stages hand on.
    """
    handed_on = {role: models / role for role in ROLES if (models / role / CARD).exists()}
    return {role: inner if (inner := folder / NOT_KEPT).is_dir() else folder for role, folder in handed_on.items()}


def read_card(folder: Path) -> Any:
    """Read `model.json`.

    Raises:
        UserError: there is none, or it is not as it was written.
    """
    path = folder / CARD
    if not path.exists():
        raise UserError(f"{path}: no trained model here; `dvc repro` makes one")
    check_sums(folder, [CARD], REMEDY)
    return read_json(path)
