"""Builds with a registered model, in real MLflow stores."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from handmade import model, save
from sprout.config.workspace import Build
from sprout.evaluate.val_errors import VAL_ERRORS
from sprout.runtime.checksums import sha256
from sprout.tracking import HANDED_ON, Candidate, tracking_uri
from sprout.tracking.connection import connect
from tracked_runs import make_build, track

SHAPE = (4, 4, 1)
IMAGES = np.zeros((1, *SHAPE), np.uint8)
PREPARE = {"resize": "fit", "max_pixels": 5000}


def with_prepare(seed: int) -> Build:
    """A build whose settings say how images were resized."""
    made = make_build(seed)
    return Build(made.config_text, made.config | {"prepare": PREPARE})


def write_errors(
    folder: Path, errors: Any, measure: str = "error_rate", examples: str = "a", split: str = "val"
) -> Path:
    """A file of errors, as `evaluate` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.asarray(errors, np.float64)
    about = {"measure": measure, "split": split, "examples": examples}
    table = pa.table({"row": np.arange(len(values)), "error": values}).replace_schema_metadata(about)
    pq.write_table(table, folder / VAL_ERRORS)
    return folder / VAL_ERRORS


def register(root: Path, seed: int, errors: Path | None) -> None:
    """Track a build whose student is registered with these errors on val; its weights are those of the seed."""
    folder = save(root / f"student-{seed}", model("classify", SHAPE, seed))
    tags = {"sprout.val": "error 5.0% (2.7% to 9.0%)"}
    candidate = Candidate(
        "student", sha256(folder / "model.safetensors"), errors, f"test error {seed}%", "report/index.html", tags
    )
    with track(with_prepare(seed), "build", tracking_uri(), {}, None, {HANDED_ON: "student"}) as run:
        run.log_model(folder, IMAGES, "student")
        run.register(candidate)


def wrong(*rows: range) -> np.ndarray:
    """200 errors of a classifier: 1 in these rows."""
    found = np.zeros(200)
    for each in rows:
        found[each] = 1
    return found


def aliases() -> dict[str, str]:
    """The version that each alias of the registered model `digits` names."""
    found = connect(tracking_uri()).get_registered_model("digits").aliases
    return {alias: str(version) for alias, version in found.items()}


def version(number: int) -> Any:
    """A version of the registered model `digits`."""
    return connect(tracking_uri()).get_model_version("digits", str(number))


def versions() -> list[int]:
    """The numbers of all versions."""
    return sorted(int(each.version) for each in connect(tracking_uri()).search_model_versions("name = 'digits'"))
