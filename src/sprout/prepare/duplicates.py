"""The lists of duplicates that stand beside the stores."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.core.records import write_rows
from sprout.prepare.examples import Examples
from sprout.prepare.near_duplicates import near_pairs
from sprout.sources.listing import SPLITS, Array

LEFT_OUT = len(SPLITS)


def places(rows: dict[str, Array], count: int) -> Array:
    """Where each example has gone: its place in `SPLITS`, or `LEFT_OUT`: (N,)."""
    found = np.full(count, LEFT_OUT)
    for code, name in enumerate(SPLITS):
        found[rows[name]] = code
    return found


def write_duplicates(path: Path, sound: Array, pictures: Array, rows: dict[str, Array], origin: pa.Array) -> int:
    """List every picture that equals an earlier one, and where both have gone; return how many."""
    again = sound[pictures[sound] != sound]
    place, names = places(rows, len(pictures)), [*SPLITS, "left out"]
    pairs = zip(again.tolist(), pictures[again].tolist(), strict=True)
    listed = [
        {"one": origin[one], "one_in": names[place[one]], "other": origin[row], "other_in": names[place[row]]}
        for row, one in pairs
    ]
    write_rows(path, ["one", "one_in", "other", "other_in"], listed)
    return len(again)


def write_near_duplicates(
    path: Path, examples: Examples, hashes: Array | None, rows: dict[str, Array], pictures: Array, origin: pa.Array
) -> int | None:
    """List pairs of pictures that differ only a little, and where both have gone; return how many.

    Nothing is moved for them. Without `hashes` nobody looks, and None is returned.
    """
    columns = ["one", "one_in", "other", "other_in", "hash_bits", "grey_levels"]
    if hashes is None:
        write_rows(path, columns, [])
        return None
    used = np.concatenate([rows[name] for name in SPLITS])
    place, firsts = places(rows, len(pictures)), np.unique(pictures[used], return_index=True)[1]
    found = near_pairs(hashes, used[firsts], examples.take)
    listed = [
        {
            "one": origin[one],
            "one_in": SPLITS[place[one]],
            "other": origin[other],
            "other_in": SPLITS[place[other]],
            "hash_bits": bits,
            "grey_levels": round(levels, 2),
        }
        for (one, other), bits, levels in zip(
            found.pairs.tolist(), found.distance.tolist(), found.difference.tolist(), strict=True
        )
    ]
    if not found.complete:
        print(f"prepare: more than {len(listed)} pairs of near duplicates; only these are listed", file=sys.stderr)
    write_rows(path, columns, listed)
    return len(listed)
