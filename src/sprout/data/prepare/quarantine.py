"""Faulty examples: a few are left out and listed, many end the stage."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from sprout.data.sources.listing import Array
from sprout.runtime.errors import UserError
from sprout.runtime.files import atomic_write, write_rows

COLUMNS = ("origin", "reason")
LISTED = Path("build/quarantine.csv")
"""Where the faults are listed when they end the stage, whose own folder is then not kept."""
SHOWN = 5


def sound_rows(faults: dict[int, str], origin: pa.Array, max_faulty: float) -> Array:
    """The rows without a fault: (n,) int64.

    Raises:
        UserError: there are no examples, or more than the share `max_faulty` of them are faulty; all are listed in
            `build/quarantine.csv`.
    """
    if not len(origin):
        raise UserError("download: the source has no examples; see its section in conf/download/")
    if len(faults) <= max_faulty * len(origin) and len(faults) < len(origin):
        sound = np.ones(len(origin), bool)
        sound[list(faults)] = False
        LISTED.unlink(missing_ok=True)
        return np.flatnonzero(sound)
    with atomic_write(LISTED) as path:
        write_quarantine(path, faults, origin)
    first = "; ".join(f"{origin[row]}: {faults[row]}" for row in sorted(faults)[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    raise UserError(
        f"{len(faults)} of {len(origin)} examples are faulty, more than prepare.max_faulty={max_faulty}: {first}{more} "
        f"(all are listed in {LISTED}); mend or remove them, or raise prepare.max_faulty"
    )


def write_quarantine(path: Path, faults: dict[int, str], origin: pa.Array) -> None:
    """List the faulty examples with their reasons, in the source's order."""
    rows = [{"origin": origin[row].as_py(), "reason": faults[row]} for row in sorted(faults)]
    write_rows(path, COLUMNS, rows)
