"""What a training depends on, as one name: its checkpoints lie under it."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sprout.training.batches import Examples

SPROUT = Path(__file__).parents[1]
CODE = ("augment.py", "core", "draws.py", "models", "noise.py", "training")
LIBRARIES = ("numpy", "pytorch-lightning", "torch")


def fingerprint(settings: dict[str, Any], examples: list[Examples]) -> str:
    """16 hexadecimal digits over settings, examples, labels, the code that trains and its libraries.

    Two trainings of the same name take the same steps, so one may go on where the other ended.
    """
    libraries = [version(library) for library in LIBRARIES]
    digest = hashlib.sha256(json.dumps([settings, libraries], sort_keys=True).encode())
    for some in examples:
        for store in some.stores:
            digest.update(store.checksum.encode())
        for column in (some.part, some.rows, some.targets):
            digest.update(column.tobytes())
    for path in code():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def code() -> list[Path]:
    """The files whose change may change a training's steps."""
    return sorted(path for name in CODE for path in [SPROUT / name, *(SPROUT / name).rglob("*.py")] if path.is_file())
