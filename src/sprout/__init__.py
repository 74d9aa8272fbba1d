"""sprout: few labels in, a trained, tracked, reproducible classifier out.

In a notebook: `sprout.load`, `sprout.train`, `sprout.compose` and `sprout.read_split`; see docs/python.md.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sprout.library import Split as Split
    from sprout.library import Trained as Trained
    from sprout.library import compose as compose
    from sprout.library import read_split as read_split
    from sprout.library import train as train
    from sprout.predict.load import load as load
    from sprout.predict.model import Model as Model
    from sprout.runtime.errors import UserError as UserError

# Read when torch is loaded. Threads that wait by spinning cost nothing on an idle machine, and on a busy one twice the
# CPU time of those that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__all__ = ["Model", "Split", "Trained", "UserError", "compose", "load", "read_split", "train"]

PLACES = {
    "Model": "sprout.predict.model",
    "Split": "sprout.library",
    "Trained": "sprout.library",
    "UserError": "sprout.runtime.errors",
    "compose": "sprout.library",
    "load": "sprout.predict.load",
    "read_split": "sprout.library",
    "train": "sprout.library",
}
"""Where the public names are; they are imported when they are used, as most of them need PyTorch."""


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in PLACES:
        raise AttributeError(f"module 'sprout' has no attribute {name!r}")
    return getattr(import_module(PLACES[name]), name)


def __dir__() -> list[str]:
    """The public names, for completion in a notebook."""
    return sorted([*PLACES, "__version__"])
