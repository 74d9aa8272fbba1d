"""This machine's copies of files of an object store: a folder of bounded size, shared by all processes.

The environment variables `SPROUT_CACHE` (a folder; default: `sprout` in `XDG_CACHE_HOME` or `~/.cache`) and
`SPROUT_CACHE_GIB` say where it is and how large.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sprout.runtime.checksums import check_sha256, once_per_change
from sprout.runtime.disk import naming
from sprout.runtime.errors import UserError
from sprout.runtime.files import name_beside

FOLDER, SIZE = "SPROUT_CACHE", "SPROUT_CACHE_GIB"
GIB = 100.0
"""Of all files, where the variable is not set."""
HALF_WRITTEN = ".tmp-"
"""In names of files that a process is writing."""
DAY = 86400


@dataclass(frozen=True)
class NodeCache:
    """The folder, and the bytes that its files may have in all; the file that was used last stays in any case."""

    folder: Path
    limit: float

    @classmethod
    def of_machine(cls) -> "NodeCache":
        """Return what the environment says.

        Raises:
            UserError: the size is not a positive number.
        """
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        size = os.environ.get(SIZE) or str(GIB)
        try:
            limit = float(size) * 2**30
        except ValueError:
            limit = 0
        if not limit > 0:
            raise UserError(f"{SIZE}={size}: accepted: a number above 0, of GiB")
        return cls(Path(os.environ.get(FOLDER) or Path(caches, "sprout")).absolute(), limit)

    def new(self) -> Path:
        """Return the path for a new file, in the folder, which is made."""
        with naming(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        return name_beside(self.folder / "shard")

    def keep(self, path: Path, sha256: str) -> Path:
        """Give a file its name: it was compared with its SHA-256. Those that were used longest ago make room."""
        kept = self.path(sha256)
        path.replace(kept)
        once_per_change([kept], lambda: None)
        self.make_room(kept)
        return kept

    def file(self, sha256: str, fetch: Callable[[Path], None]) -> Path:
        """Return the path of a file, compared with its SHA-256 once for each change; fetch it if it is not there.

        Where several processes ask for the same file, one of them fetches it.

        Args:
            sha256: of the file.
            fetch: writes it to a path, and raises a UserError where that has another SHA-256.
        """
        path = self.path(sha256)
        if self.is_sound(path, sha256):
            return path
        from filelock import FileLock  # here: a model is also loaded where only what it computes with is installed

        new = self.new()
        with naming(self.folder), FileLock(self.folder / f"{sha256[:2]}.lock"):
            if self.is_sound(path, sha256):
                return path
            try:
                fetch(new)
                return self.keep(new, sha256)
            finally:
                new.unlink(missing_ok=True)

    def is_sound(self, path: Path, sha256: str) -> bool:
        """Whether a file is there and not damaged; it then counts as used now."""
        try:
            # The time of access counts as that of the last use; that of change says whether it was compared.
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
            once_per_change([path], partial(check_sha256, path, sha256, "it is fetched again"))
        except (FileNotFoundError, UserError):
            return False
        return True

    def path(self, sha256: str) -> Path:
        """Return the path of a file."""
        return self.folder / f"{sha256}.npy"

    def make_room(self, kept: Path) -> None:
        """Remove what was used longest ago, except one file, until the rest fits; and what was left half-written.

        A process that has mapped a removed file can still read it: the system keeps it until then.
        """
        found = []
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another process removes files, too
                found.append((path.stat().st_atime_ns, path.stat().st_size, path))
        total = sum(size for _, size, _ in found)
        for used, size, path in sorted(found):
            writing = HALF_WRITTEN in path.name
            old = used < time.time_ns() - DAY * 10**9
            if path != kept and (old if writing else total > self.limit and path.suffix == ".npy"):
                path.unlink(missing_ok=True)
                total -= size
