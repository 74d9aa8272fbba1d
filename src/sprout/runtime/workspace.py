"""Where the workspace is, and which one outlives a copy of it."""

import os
from pathlib import Path

from sprout.runtime.errors import UserError

PARAMS = Path("params.yaml")
MARKS = (PARAMS, Path("conf/config.yaml"))
"""The files that make a folder a workspace."""


def find_workspace(folder: Path) -> Path | None:
    """The nearest workspace at or above a folder; None without one."""
    above = (folder, *folder.parents)
    return next((each for each in above if all((each / mark).is_file() for mark in MARKS)), None)


def student_folder() -> str:
    """The model folder of the workspace's student, relative to the current folder."""
    here = Path.cwd()
    return os.path.relpath((find_workspace(here) or here) / "models" / "student")


def main_workspace() -> Path:
    """The workspace that outlives a stage, as an absolute path.

    `DVC_ROOT` names it in every stage, also where `dvc exp run --temp` or `--queue` runs it in a copy. Elsewhere it is
    the folder of the caller or one above.
    """
    here = Path.cwd()
    return Path(os.environ.get("DVC_ROOT") or find_workspace(here) or here).resolve()


def left_behind(file: Path) -> str:
    """Return why a file is missing in a copy of the workspace, in which DVC builds; else an empty string.

    Args:
        file: relative to the workspace.
    """
    main = main_workspace()
    if main == Path.cwd().resolve() or file.is_absolute() or file.exists() or not (main / file).is_file():
        return ""
    return (
        f" here, as this is a copy of the workspace without {file}: `dvc exp run --temp` and `--queue` build in one, "
        f"which gets only files that git knows; run `git add {file}`, and the same for other new files that it needs, "
        "then the command again"
    )


def enter_workspace() -> Path:
    """Make the nearest workspace, here or above, the working folder.

    Returns:
        What to put before a path that the user has given: nothing where the user stands in the workspace's own folder,
        otherwise the folder where the user stands.

    Raises:
        UserError: there is no workspace.
    """
    here = Path.cwd()
    workspace = find_workspace(here)
    if workspace is None:
        marks = " and ".join(map(str, MARKS))
        raise UserError(f"{here}: is not in a workspace: neither it nor a folder above has {marks}; change to one")
    if workspace == here:
        return Path()
    os.chdir(workspace)
    return here
