"""Split a raw data set, withhold labels beyond the budget, and write the stores."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.model_selection import train_test_split

from sprout.core.errors import UserError
from sprout.core.progress import track
from sprout.core.records import write_json
from sprout.core.store import Array, label_table, write_store
from sprout.sources.raw import Raw

SPLITS = ("train", "val", "unlabelled", "test")


def prepare(
    raw: Raw, folder: Path, *, first: int | None, test: int | None, val: int, labels: int | None, seed: int
) -> dict[str, Any]:
    """Write the four stores and what describes them; return the summary.

    Args:
        raw: the data set as it came.
        folder: an empty folder.
        first: use the first so many examples of the training part; None means all.
        test: draw so many for the test split; None means the source's own test part.
        val: draw so many for the validation split.
        labels: so many training examples keep their label; None means all.
        seed: seed of the draws.

    Raises:
        UserError: the source has too few examples for this.
    """
    rows = split(raw, first=first, test=test, val=val, labels=labels, seed=seed)
    for name in track(SPLITS, "prepare", len(SPLITS)):
        write_split(raw, rows[name], folder / name, known=name != "unlabelled")
    write_truth(raw.labels[rows["unlabelled"]], folder / "truth.parquet")
    described = summary(raw, rows)
    write_json(folder / "classes.json", raw.classes)
    write_json(folder / "summary.json", described)
    # Faulty examples are listed here; arrays in a checked file have none.
    (folder / "quarantine.csv").write_text("origin,reason\n", encoding="utf-8")
    return described


def split(
    raw: Raw, *, first: int | None, test: int | None, val: int, labels: int | None, seed: int
) -> dict[str, Array]:
    """Which rows of the raw data go into which split, each in the source's order."""
    pool = np.flatnonzero(~raw.official_test)
    if first is not None and first > len(pool):
        raise UserError(f"prepare.first={first}: the source's training part has {len(pool)} examples")
    pool = pool[:first]
    if test is None:
        tested = np.flatnonzero(raw.official_test)
        if not len(tested):
            raise UserError("prepare.test=null: the source has no test part of its own; say how many to draw")
    else:
        pool, tested = draw(raw.labels, pool, test, "prepare.test", seed)
    pool, validated = draw(raw.labels, pool, val, "prepare.val", seed + 1)
    kept = pool if labels is None else budget(raw.labels, pool, labels, raw.classes, seed + 2)
    return {"train": kept, "val": validated, "unlabelled": np.setdiff1d(pool, kept), "test": tested}


def draw(labels: Array, pool: Array, count: int, key: str, seed: int) -> tuple[Array, Array]:
    """Draw `count` rows out of the pool, in the classes' proportions; return (the rest, the drawn)."""
    classes = len(np.unique(labels[pool]))
    if not classes <= count <= len(pool) - classes:
        raise UserError(
            f"{key}={count}: {len(pool)} examples of {classes} classes are left; "
            f"accepted: {classes} to {len(pool) - classes}"
        )
    smallest = int(np.bincount(labels[pool])[np.unique(labels[pool])].min())
    if smallest < 2:
        raise UserError(f"{key}={count}: a class has a single example, which cannot be in two splits")
    rest, drawn = train_test_split(pool, test_size=count, stratify=labels[pool], random_state=seed)
    return np.sort(rest), np.sort(drawn)


def budget(labels: Array, pool: Array, count: int, classes: list[str], seed: int) -> Array:
    """The rows that keep their label: `count` of them, spread evenly over the classes."""
    generator = np.random.default_rng(seed)
    share, extra = divmod(count, len(classes))
    more = set(generator.permutation(len(classes))[:extra].tolist())
    kept = []
    for index, name in enumerate(classes):
        of_class, wanted = pool[labels[pool] == index], share + (index in more)
        if not 1 <= wanted <= len(of_class):
            raise UserError(
                f"prepare.labels={count}: that is {wanted} of class {name!r}, which has {len(of_class)} "
                f"training examples; accepted: at least one a class and no more than it has"
            )
        kept.append(generator.choice(of_class, wanted, replace=False))
    return np.sort(np.concatenate(kept))


def write_split(raw: Raw, rows: Array, folder: Path, *, known: bool) -> None:
    """Write one store; labels that are not `known` are left out of it."""
    table = label_table(
        np.arange(len(rows)),
        raw.labels[rows] if known else [None] * len(rows),
        source="given",
        group=rows,
        origin=[raw.origin[row] for row in rows],
    )
    write_store(folder, raw.images[rows], table)


def write_truth(labels: Array, path: Path) -> None:
    """The withheld labels of the unlabelled pool; only `evaluate` reads them."""
    table = {"row": np.arange(len(labels), dtype=np.int64), "label": np.asarray(labels, np.int64)}
    pq.write_table(pa.table(table), path, compression="zstd")


def summary(raw: Raw, rows: dict[str, Array]) -> dict[str, Any]:
    """Counts of each split, and the training split's mean and spread."""
    mean, std = normalisation(raw.images[rows["train"]])
    return {
        "splits": {
            name: {
                "examples": len(rows[name]),
                "labelled": 0 if name == "unlabelled" else len(rows[name]),
                "per_class": {} if name == "unlabelled" else per_class(raw.labels[rows[name]], raw.classes),
            }
            for name in SPLITS
        },
        "shape": list(raw.images.shape[1:]),
        "dtype": str(raw.images.dtype),
        "mean": mean,
        "std": std,
    }


def normalisation(images: Array) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, pixels scaled to 0..1: (N, H, W, C) uint8 → (C,) each.

    Counted, not summed: exact in one pass. A channel that never changes has a spread of 1.
    """
    levels = np.arange(256) / 255
    means, stds = [], []
    for channel in range(images.shape[-1]):
        counts = np.bincount(images[..., channel].ravel(), minlength=256)
        mean = float(np.average(levels, weights=counts))
        variance = float(np.average((levels - mean) ** 2, weights=counts))
        means.append(mean)
        stds.append(variance**0.5 if np.count_nonzero(counts) > 1 else 1.0)
    return means, stds


def per_class(labels: Array, classes: list[str]) -> dict[str, int]:
    """How many examples each class has."""
    counts = np.bincount(labels, minlength=len(classes))
    return {name: int(count) for name, count in zip(classes, counts, strict=True)}
