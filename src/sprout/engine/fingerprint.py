"""What a training depends on, as one name: its checkpoints lie under it."""

import hashlib
import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sprout.data.dataset import Examples

SPROUT = Path(__file__).parents[1]
CODE = ("augment", "config/augment.py", "data/dataset.py", "data/store.py", "engine", "models", "runtime")
LIBRARIES = ("numpy", "pytorch-lightning", "torch", "torchvision")


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
    for path in [*code(), *own_code(settings)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def code() -> list[Path]:
    """The files whose change may change a training's steps."""
    return sorted(path for name in CODE for path in [SPROUT / name, *(SPROUT / name).rglob("*.py")] if path.is_file())


def own_code(settings: dict[str, Any]) -> list[Path]:
    """The files of the user's own classes, a network's and an optimizer's."""
    names = [settings["card"]["architecture"].get("target"), settings.get("optimizer", {}).get("name")]
    modules = [import_module(name.rpartition(".")[0]) for name in names if name and "." in name]
    return [Path(module.__file__) for module in modules if module.__file__]
