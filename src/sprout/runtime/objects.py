"""Large files outside of a workspace, named by their SHA-256: in a folder that machines share, or in S3.

S3 is asked by s3fs, with the credentials and the endpoint of AWS's usual environment variables.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sprout.runtime.checksums import check_sha256, once_per_change
from sprout.runtime.disk import disk_error, naming
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import name_beside
from sprout.runtime.node_cache import HALF_WRITTEN, NodeCache

NAME = re.compile(r"[0-9a-f]{64}\.npy|[0-9a-f]{32}\.json")
"""Of a file by its SHA-256, and of a record (`data/prepare/record.py`)."""
BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9!_.*'()-]+)*")
"""An address in S3, in which there is no place for credentials."""
EXTRA = "pip install 'sprout[s3]'"
ENDPOINT = "AWS_ENDPOINT_URL"
PARTS = {"chunksize": 16 << 20, "max_concurrency": 4}
"""How a large file is sent or fetched: bytes of a part, and how many parts at once, which are in memory."""
AT_ONCE = 1000
"""Objects that S3 removes by one request."""
AGAIN = "`dvc repro -fs prepare` writes it again (docs/clusters.md)"


class Stored(NamedTuple):
    """A file that is there."""

    name: str
    size: int
    """In bytes."""
    written: float
    """When, in seconds since 1970."""


@dataclass(frozen=True)
class SharedFolder:
    """A folder that all machines have at the same path."""

    address: str
    """The absolute path."""

    def check_reached(self) -> None:
        """Check that this machine has it.

        Raises:
            UserError: it has not.
        """
        if not os.path.isdir(self.address):
            raise UserError(f"cluster.store={self.address}: no such folder; make it, on a file system of all machines")

    def new(self) -> Path:
        """Return the path for a file whose SHA-256 is not known yet."""
        return name_beside(Path(self.address, "shard"))

    def put(self, path: Path, sha256: str) -> None:
        """Take a file from a path of `new`; what was there under its name becomes as young as it."""
        path.replace(self.path(sha256))

    def file(self, sha256: str) -> Path:
        """Return the path of a file, which is compared with its name once for each change.

        Raises:
            UserError: it is not there, or damaged.
        """
        path = self.path(sha256)
        if not path.is_file():
            raise UserError(f"{path}: not there; {AGAIN}")
        once_per_change([path], partial(check_sha256, path, sha256, f"remove it; {AGAIN}"))
        return path

    def path(self, sha256: str) -> Path:
        """Return the path of a file."""
        return Path(self.address, f"{sha256}.npy")

    def write(self, name: str, data: bytes) -> None:
        """Write a small file."""
        with naming(path := Path(self.address, name)):
            (beside := self.new()).write_bytes(data)
            beside.replace(path)

    def read(self, name: str) -> bytes:
        """Return the content of a small file."""
        with naming(path := Path(self.address, name)):
            return path.read_bytes()

    def listed(self) -> Iterator[Stored]:
        """Yield all files, and those that were left half-written."""
        with naming(Path(self.address)):
            for path in Path(self.address).iterdir():
                if NAME.fullmatch(path.name) or path.name.startswith(f"shard{HALF_WRITTEN}"):
                    with suppress(FileNotFoundError):  # it has got its name meanwhile
                        found = path.stat()
                        yield Stored(path.name, found.st_size, found.st_mtime)

    def remove(self, names: Sequence[str]) -> None:
        """Remove files."""
        for name in names:
            with naming(path := Path(self.address, name)):
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Bucket:
    """Objects below a prefix of a bucket, of which this machine's cache has those that were used last.

    Each method raises a UserError where the extra `s3` is missing, or S3 does not do what it is asked for.
    """

    address: str
    """s3://BUCKET/PREFIX."""

    def check_reached(self) -> None:
        """Check that the bucket answers."""
        with self.connection() as s3:
            s3.call_s3("list_objects_v2", Bucket=self.bucket, MaxKeys=1)

    def new(self) -> Path:
        """Return the path for a file whose SHA-256 is not known yet."""
        return NodeCache.of_machine().new()

    def put(self, path: Path, sha256: str) -> None:
        """Send a file from a path of `new`; an object that is there becomes as young as it."""
        try:
            with self.connection() as s3:
                if self.has(s3, sha256, path.stat().st_size):
                    s3.cp_file(self.key(sha256), self.key(sha256), MetadataDirective="REPLACE")
                else:
                    s3.put_file(str(path), self.key(sha256), **PARTS)
            NodeCache.of_machine().keep(path, sha256)
        finally:
            path.unlink(missing_ok=True)

    def has(self, s3: Any, sha256: str, size: int) -> bool:
        """Whether there is an object of this size, in bytes."""
        try:
            return bool(s3.info(self.key(sha256))["size"] == size)
        except FileNotFoundError:
            return False

    def file(self, sha256: str) -> Path:
        """Return the path of a file in this machine's cache, compared with its name once for each change."""
        return NodeCache.of_machine().file(sha256, partial(self.fetch, sha256))

    def fetch(self, sha256: str, path: Path) -> None:
        """Write an object to a path."""
        with self.connection(f"/{sha256}.npy") as s3:
            s3.get_file(self.key(sha256), str(path), **PARTS)
        check_sha256(path, sha256, f"remove s3://{self.key(sha256)}; {AGAIN}")

    def write(self, name: str, data: bytes) -> None:
        """Write a small object."""
        with self.connection() as s3:
            s3.pipe_file(f"{self.address}/{name}", data)

    def read(self, name: str) -> bytes:
        """Return the content of a small object."""
        with self.connection() as s3:
            return bytes(s3.cat_file(f"{self.address}/{name}"))

    def listed(self) -> Iterator[Stored]:
        """Yield all objects."""
        with self.connection() as s3:
            found = s3.find(self.address, maxdepth=1, detail=True)
        for key, each in found.items():
            name = key.rpartition("/")[2]
            if NAME.fullmatch(name):
                yield Stored(name, each["size"], each["LastModified"].timestamp())

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects."""
        prefix = self.address.removeprefix(f"s3://{self.bucket}").lstrip("/")
        keys = [{"Key": f"{prefix}/{name}".lstrip("/")} for name in names]
        with self.connection() as s3:
            for start in range(0, len(keys), AT_ONCE):
                some = {"Objects": keys[start : start + AT_ONCE], "Quiet": True}
                answer = s3.call_s3("delete_objects", Bucket=self.bucket, Delete=some)
                if refused := answer.get("Errors"):
                    raise PermissionError(f"{len(refused)} objects were not removed: {refused[0].get('Message')}")

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return self.address.split("/")[2]

    def path(self, sha256: str) -> None:
        """Return None: an object has no path."""

    def key(self, sha256: str) -> str:
        """Return bucket and key of an object."""
        return f"{self.address.removeprefix('s3://')}/{sha256}.npy"

    @contextmanager
    def connection(self, of: str = "") -> Iterator[Any]:
        """Yield s3fs's file system, which no other process or call shares.

        Args:
            of: what is asked for, after the address.
        """
        try:
            from botocore.exceptions import BotoCoreError
            from s3fs import S3FileSystem
        except ImportError as error:
            raise UserError(f"cluster.store={self.address}: needs the package {error.name}: {EXTRA}") from None
        try:
            yield S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
        except (OSError, BotoCoreError) as error:
            if disk_error(error, None):
                raise
            said = one_line(error)
            for name in (f"{ENDPOINT}_S3", ENDPOINT):
                said = said.replace(os.environ.get(name) or name, name)
            remedy = AGAIN if isinstance(error, FileNotFoundError) and of else "see its credentials and the bucket"
            raise UserError(f"{self.address}{of}: S3 at {ENDPOINT} says: {said}; {remedy}") from None


Objects = SharedFolder | Bucket


def objects_at(address: str) -> Objects:
    """Return what is at an address.

    Raises:
        ValueError: it is none.
    """
    if BUCKET.fullmatch(address):
        return Bucket(address)
    if os.path.isabs(address):
        return SharedFolder(address)
    raise ValueError("accepted: the absolute path of a folder that all machines have, s3://BUCKET/PREFIX, or null")
