"""The files of a model folder, and its card as JSON, for who needs neither torch nor the typed card."""

from pathlib import Path
from typing import Any

from sprout.runtime.checksums import REMEDY, check_sums
from sprout.runtime.errors import UserError
from sprout.runtime.files import read_json

CARD, WEIGHTS = "model.json", "model.safetensors"


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
