"""Whether a store still knows the run that this workspace recorded in it last.

A store that was emptied, replaced or set up anew takes runs as before; only this tells that the earlier ones are gone.
"""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.runtime.files import atomic_write
from sprout.runtime.workspace import main_workspace
from sprout.tracking.address import hide_password, portable

if TYPE_CHECKING:
    from mlflow import MlflowClient


def note_last_run(uri: str, run_id: str) -> None:
    """Note the run that was recorded last; the caller holds the lock of the store."""
    with atomic_write(_note(uri)) as beside:
        beside.write_text(run_id, encoding="utf-8")


def warn_if_forgotten(client: "MlflowClient", uri: str) -> None:
    """Print one line on stderr if the store does not know the noted run any more."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    path = _note(uri)
    if not path.exists():
        return
    run_id = path.read_text(encoding="utf-8")
    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        print(
            f"sprout: the tracking store {hide_password(uri, uri)} does not know the run {run_id}, the last one that"
            " was recorded there: the store was emptied or replaced, or `mlflow gc` removed the run; new runs go on"
            " there. To have earlier runs back, put a backup of the store in its place",
            file=sys.stderr,
            flush=True,
        )


def _note(uri: str) -> Path:
    name = re.sub(r"[^\w.-]+", "_", portable(hide_password(uri, uri)))
    return main_workspace() / "mlruns" / "last_run" / name
