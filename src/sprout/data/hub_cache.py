"""The cache of Hugging Face's hub: `snapshots/REVISION/…` are links to the files in `blobs/`. Imports nothing else."""

import os
from pathlib import Path

from sprout.runtime.errors import UserError

SNAPSHOTS, BLOBS, MAIN = "snapshots", "blobs", "refs/main"


def snapshot_of(path: Path) -> Path:
    """Return the snapshot to read if a folder is that of a data set in the cache, else the folder.

    Raises:
        UserError: there are several snapshots, and `refs/main` names none of them.
    """
    if not all((path / name).is_dir() for name in (SNAPSHOTS, BLOBS)):
        return path
    known = sorted(each.name for each in (path / SNAPSHOTS).iterdir() if each.is_dir())
    main = (path / MAIN).read_text(encoding="utf-8").strip() if (path / MAIN).is_file() else None
    if main not in known and len(known) != 1:
        raise UserError(
            f"{path}: a cache of Hugging Face with {len(known)} snapshots, of which {MAIN} names none; name one: "
            f"{', '.join(str(path / SNAPSHOTS / name) for name in known) or 'download the data set again'}"
        )
    return path / SNAPSHOTS / (main if main in known else known[0])


def link_boundary(root: str) -> str:
    """Return the folder that links in a data folder may not leave: itself, or that of a snapshot and its blobs.

    Args:
        root: the real path of the data folder.
    """
    snapshots, cache = os.path.dirname(root), os.path.dirname(os.path.dirname(root))
    in_cache = os.path.basename(snapshots) == SNAPSHOTS and os.path.isdir(os.path.join(cache, BLOBS))
    return cache if in_cache else root
