"""pyarrow without pandas."""

import sys
from typing import Any

import pyarrow as pa


def leave_pandas_out() -> None:
    """Let pyarrow do without pandas, which it would import with its first array: 0.2 s for what nobody here uses.

    pyarrow looks for pandas once; what asks it for a data frame later still gets one.
    """
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, Missing)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(Missing)


class Missing:
    """Finds no pandas."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        """Say that pandas is not installed; of other modules nothing is known."""
        if name == "pandas":
            raise ModuleNotFoundError(name=name)
