"""What is written of reconstructions: how far each image is off, and some of the images."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.store import Array, Store
from sprout.measure import restore
from sprout.models.predictor import Predictor


def reconstructions(errors: Mapping[str, Array]) -> pa.Table:
    """One row per test example: mean squared errors of the noisy image and of each model's, pixels in 0..1.

    Args:
        errors: of each model (N, 2), as `measure.errors` says.
    """
    noisy = errors["student"][:, 0]
    return pa.table(
        {"row": np.arange(len(noisy)), "noisy_mse": noisy} | {role: found[:, 1] for role, found in errors.items()}
    )


def write_restored(folder: Path, student: Predictor, test: Store, table: pa.Table, examples: int) -> None:
    """Write `restored.npz`: `row` (n,), and `clean`, `noisy` and `restored` images, each (n, H, W, C) uint8.

    They stand evenly from the one that the student restores best to the one that it restores worst.

    Args:
        folder: where to.
        student: the model that is handed on.
        test: the test split.
        table: see `reconstructions`.
        examples: how many, at most.
    """
    ranked = np.argsort(table["student"].to_numpy(), kind="stable")
    rows = ranked[np.unique(np.linspace(0, len(ranked) - 1, min(examples, len(ranked))).round().astype(int))]
    three = restore(student, test, rows) if len(rows) else [np.zeros((0, *test.shape[2:], *test.shape[:2]))] * 3
    clean, noisy, restored = ((images * 255).round().astype(np.uint8).transpose(0, 2, 3, 1) for images in three)
    np.savez_compressed(folder / "restored.npz", row=rows, clean=clean, noisy=noisy, restored=restored)
