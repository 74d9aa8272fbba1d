"""What a training depends on, as one name: its checkpoints lie under it."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch

from sprout.training.batches import Examples


def fingerprint(settings: dict[str, Any], examples: list[Examples]) -> str:
    """16 hexadecimal digits over settings, examples, labels, our code and torch's version.

    Two trainings of the same name take the same steps, so one may go on where the other ended.
    """
    digest = hashlib.sha256(json.dumps([settings, torch.__version__], sort_keys=True).encode())
    for some in examples:
        for store in some.stores:
            digest.update(store.checksum.encode())
        for column in (some.part, some.rows, some.labels):
            digest.update(column.tobytes())
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def checkpoint_folder(stage: str, name: str) -> Path:
    """Where a training keeps what it would go on from.

    Not among a stage's outputs, which DVC deletes before it runs the stage; and in the main workspace
    where DVC runs the stage in a copy of it, as the copy is lost with what it holds.
    """
    return Path(os.environ.get("DVC_ROOT", ".")).absolute() / "build" / "checkpoints" / stage / name
