"""The lists of duplicates that stand beside the stores."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.prepare.classes import UNKNOWN
from sprout.data.prepare.examples import Examples
from sprout.data.prepare.near_duplicates import near_pairs
from sprout.data.prepare.shares import Shares
from sprout.data.sources.listing import SPLITS, Array
from sprout.runtime.files import write_rows

LEFT_OUT = len(SPLITS)


def places(rows: dict[str, Array], count: int) -> Array:
    """Where each example has gone: its place in `SPLITS`, or `LEFT_OUT`: (N,)."""
    found = np.full(count, LEFT_OUT)
    for code, name in enumerate(SPLITS):
        found[rows[name]] = code
    return found


def write_duplicates(path: Path, sound: Array, shares: Shares, origin: pa.Array) -> int:
    """List every picture that equals an earlier one, where both have gone and what they are; return how many."""
    again = sound[shares.pictures[sound] != sound]
    place, names = places(shares.rows, len(origin)), [*SPLITS, "left out"]

    def told(role: str, row: int) -> dict[str, str]:
        index = int(shares.targets.index[row])
        label = "" if index == UNKNOWN else shares.targets.classes[index]
        return {role: origin[row].as_py(), f"{role}_in": names[place[row]], f"{role}_label": label}

    pairs = zip(again.tolist(), shares.pictures[again].tolist(), strict=True)
    listed = [told("one", one) | told("other", row) for row, one in pairs]
    write_rows(path, ["one", "one_in", "one_label", "other", "other_in", "other_label"], listed)
    return len(again)


def write_near_duplicates(
    path: Path, examples: Examples, hashes: Array | None, shares: Shares, origin: pa.Array
) -> int | None:
    """List pairs of pictures that differ only a little, and where both have gone; return how many.

    Nothing is moved for them. Without `hashes` nobody looks, nothing is written, and None is returned.
    """
    columns = ["one", "one_in", "other", "other_in", "hash_bits", "grey_levels"]
    if hashes is None:
        return None
    used = np.concatenate([shares.rows[name] for name in SPLITS])
    place, firsts = places(shares.rows, len(origin)), np.unique(shares.pictures[used], return_index=True)[1]
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
