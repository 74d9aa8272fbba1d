"""The CSV lists for the user: faulty examples, equal images, near duplicates."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.listing import SPLITS, Array
from sprout.data.prepare.assignment import Assignment
from sprout.data.prepare.examples import Examples
from sprout.data.prepare.near_duplicates import near_pairs
from sprout.data.prepare.targets import UNKNOWN
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write, write_rows

QUARANTINE = Path("build/quarantine.csv")
"""The list of faults where they end the stage, whose own folder is then discarded."""
SHOWN = 5
NO_SPLIT = len(SPLITS)


def usable_rows(faults: dict[int, str], origin: pa.Array, max_faulty: float) -> Array:
    """Return the rows without a fault: (n,) int64.

    Raises:
        UserError: there are no examples, or more than the fraction `max_faulty` of them are faulty; all faults are
            listed in `build/quarantine.csv`.
    """
    if not len(origin):
        raise UserError("download: the source has no examples; see its section in conf/download/")
    if len(faults) <= max_faulty * len(origin) and len(faults) < len(origin):
        usable = np.ones(len(origin), bool)
        usable[list(faults)] = False
        QUARANTINE.unlink(missing_ok=True)
        return np.flatnonzero(usable)
    with atomic_write(QUARANTINE) as path:
        write_quarantine(path, faults, origin, {})
    first = "; ".join(f"{origin[row]}: {faults[row]}" for row in sorted(faults)[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    raise UserError(
        f"{len(faults)} of {len(origin)} examples are faulty, more than prepare.max_faulty={max_faulty}: {first}{more} "
        f"(all are listed in {QUARANTINE}); fix or remove them, or raise prepare.max_faulty"
    )


def write_quarantine(path: Path, faults: dict[int, str], origin: pa.Array, left_out: dict[str, str]) -> None:
    """List the faulty examples with their reasons, in the source's order, and after them what was left out."""
    rows = [{"origin": origin[row].as_py(), "reason": faults[row]} for row in sorted(faults)]
    rows += [{"origin": name, "reason": f"left out: {reason}"} for name, reason in left_out.items()]
    write_rows(path, ("origin", "reason"), rows)


def split_codes(rows: dict[str, Array], count: int) -> Array:
    """Return the split of each of N examples: (N,) indices into `SPLITS`, or `NO_SPLIT`."""
    codes = np.full(count, NO_SPLIT)
    for code, name in enumerate(SPLITS):
        codes[rows[name]] = code
    return codes


def write_duplicates(path: Path, usable: Array, assignment: Assignment, origin: pa.Array) -> int:
    """List each image that equals an earlier one, with the splits and labels of both; return how many there are."""
    images, targets = assignment.images, assignment.targets
    repeated = usable[images[usable] != usable]
    splits, names = split_codes(assignment.rows, len(origin)), [*SPLITS, "left out"]

    def describe(role: str, row: int) -> dict[str, str]:
        index = int(targets.index[row])
        label = "" if index == UNKNOWN else targets.classes[index]
        return {role: origin[row].as_py(), f"{role}_in": names[splits[row]], f"{role}_label": label}

    pairs = zip(repeated.tolist(), images[repeated].tolist(), strict=True)
    rows = (describe("one", one) | describe("other", row) for row, one in pairs)
    write_rows(path, ["one", "one_in", "one_label", "other", "other_in", "other_label"], rows)
    return len(repeated)


def write_near_duplicates(
    path: Path, examples: Examples, hashes: Array, assignment: Assignment, origin: pa.Array
) -> int:
    """List pairs of images that differ only a little, with the splits of both; return how many there are.

    The examples stay in their splits. Of equal images only the first is compared.
    """
    used = np.concatenate([assignment.rows[name] for name in SPLITS])
    firsts = np.unique(assignment.images[used], return_index=True)[1]
    near = near_pairs(hashes, used[firsts], examples.take)
    splits = split_codes(assignment.rows, len(origin))
    rows = [
        {
            "one": origin[one],
            "one_in": SPLITS[splits[one]],
            "other": origin[other],
            "other_in": SPLITS[splits[other]],
            "hash_bits": bits,
            "grey_levels": round(levels, 2),
        }
        for (one, other), bits, levels in zip(
            near.pairs.tolist(), near.distance.tolist(), near.difference.tolist(), strict=True
        )
    ]
    if not near.complete:
        print(f"prepare: more than {len(rows)} pairs of near duplicates; only these are listed", file=sys.stderr)
    write_rows(path, ["one", "one_in", "other", "other_in", "hash_bits", "grey_levels"], rows)
    return len(rows)
