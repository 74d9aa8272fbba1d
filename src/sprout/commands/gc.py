"""`sprout gc`: removes from `cluster.store` what no commit and no workspace of this repository needs."""

from typing import Annotated

import typer

DAYS = 7


def gc(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="remove; without it nothing is removed")] = False,
    days: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="keep what was written in the last N days, as a build may be running"),
    ] = DAYS,
) -> None:
    """List, and with --yes remove, files of `cluster.store` that no commit and no experiment of this repository needs.

    The store must belong to this repository alone; commits that were never fetched here count as none.
    """
    import time
    from pathlib import Path

    from sprout.config.cluster import read_cluster
    from sprout.reproduce.needed import find_needed, unused
    from sprout.runtime.errors import UserError
    from sprout.runtime.progress import waiting
    from sprout.runtime.workspace import enter_workspace

    enter_workspace()
    objects = read_cluster().objects()
    if objects is None:
        raise UserError(
            "cluster.store=null: there is no store to remove files from; data/prepared has all files itself"
        )
    with waiting("reading manifests"):
        found = list(objects.listed())
        needed = find_needed(Path.cwd(), objects, found)
    left = unused(found, needed, time.time() - days * 86400)
    said = f"{len(left)} of {len(found)} files, {sum(each.size for each in left):,} bytes"
    if yes:
        objects.remove([each.name for each in left])
        print(f"{objects.address}: removed {said}")
    else:
        print(f"{objects.address}: would remove {said}; --yes removes them")
