"""A worktree of git with the code of a run, which is removed in the end."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from sprout.reproduce.processes import without_git
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.signals import deferred_signals

SUBMODULE = re.compile(
    r"^diff --git a/(.*) b/\1\n(?:index .*\n|--- .*\n|\+\+\+ .*\n|@@ .*\n)*[-+]Subproject", re.MULTILINE
)


@dataclass(frozen=True)
class Place:
    """Where the code of a run is checked out."""

    folder: Path | None
    """None: a temporary folder beside the repository."""
    keep: bool
    """Whether it stays."""


@contextmanager
def checked_out(workspace: Path, commit: str, patch: str, place: Place) -> Iterator[Path]:
    """Yield a workspace with a commit and changes, in a worktree of its own.

    Args:
        workspace: of the user; it stays as it is.
        commit: the whole name.
        patch: changes since the commit; empty for none.
        place: where.

    Raises:
        UserError: there is no such commit, the changes do not apply, or the place is taken.
    """
    top = Path(git(workspace, "rev-parse", "--show-toplevel", error=f"{workspace}: is not in a git repository").strip())
    below = git(workspace, "rev-parse", "--show-prefix").strip()
    missing = f"commit {commit}: this repository does not have it; fetch it (`git fetch --all`, of a shallow clone with"
    git(top, "cat-file", "-e", f"{commit}^{{commit}}", error=f"{missing} `--unshallow`), or run this where it was made")
    refuse_submodules(patch)
    tree = make_folder(top, place)
    try:
        # Without hooks: DVC's would check out the data of `dvc.lock`.
        git(top, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", "--", str(tree), commit)
        if patch:
            unfit = f"the changes since the commit {commit[:12]} that were kept with the run do not apply"
            git(tree, "apply", "--whitespace=nowarn", "-", error=unfit, given=patch)
        if (tree / ".gitmodules").exists():
            git(tree, "submodule", "update", "--init", "--recursive", error="the submodules cannot be had")
        yield tree / below
    finally:
        with deferred_signals():
            leave(top, tree, place)


def refuse_submodules(patch: str) -> None:
    """Refuse changes within submodules, of which git says only that there were some.

    Raises:
        UserError: there are such changes.
    """
    if found := SUBMODULE.search(patch):
        raise UserError(
            f"submodule {found[1]}: was not as in its commit when the run was made, and how it was is not kept; commit "
            "submodules before a run that is to be made again"
        )


def make_folder(top: Path, place: Place) -> Path:
    """Make the folder of the worktree.

    Raises:
        UserError: it is taken, lies in the repository, or cannot be made.
    """
    try:
        if place.folder is None:
            return Path(mkdtemp(prefix=f"{top.name}-reproduce-", dir=top.parent))
        folder = place.folder.resolve()
        if folder.is_relative_to(top):
            raise UserError(f"--into {place.folder}: lies in the repository; give a folder outside of {top}")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"--into {place.folder}: exists and is not empty; give a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be made ({error.strerror}); choose a folder by --into") from None


def leave(top: Path, tree: Path, place: Place) -> None:
    """Remove the worktree, or say where it stays."""
    if place.keep and (tree / ".git").exists():
        print(f"kept: {tree}; to remove it: git worktree remove --force {tree}", file=sys.stderr)
        return
    remove = ["git", "-C", str(top), "worktree", "remove", "--force", "--force", str(tree)]
    subprocess.run(remove, env=without_git(), capture_output=True, check=False)
    shutil.rmtree(tree, ignore_errors=True)


def git(folder: Path, *words: str, error: str | None = None, given: str | None = None) -> str:
    """Run git and return what it prints.

    Args:
        folder: where.
        words: the command.
        error: what is said if it fails; git's own message follows.
        given: its input.

    Raises:
        UserError: it fails.
    """
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(
        command, env=without_git(), input=None if given is None else given.encode(), capture_output=True, check=False
    )
    if done.returncode:
        said = one_line(done.stderr.decode("utf-8", "replace").removeprefix("fatal: ").removeprefix("error: "))
        raise UserError(": ".join(filter(None, [error or f"git {words[0]} failed", said])))
    return done.stdout.decode("utf-8", "replace")
