"""Large files outside of a workspace, named by their SHA-256: in a folder that machines share, or in S3."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sprout.runtime import s3
from sprout.runtime.checksums import check_sha256, once_per_change
from sprout.runtime.disk import naming
from sprout.runtime.errors import UserError
from sprout.runtime.files import name_beside
from sprout.runtime.node_cache import HALF_WRITTEN, NodeCache

NAME = re.compile(r"[0-9a-f]{64}\.npy|[0-9a-f]{32}\.json")
"""Of a file by its SHA-256, and of a record (`data/prepare/record.py`)."""
BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9!_.*'()-]+)*")
"""An address in S3, in which there is no place for credentials."""
PART, PARTS = 16 << 20, 4
"""How a large file is sent or fetched: bytes of a part, and how many parts at once, which are in memory."""
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
        with s3.asking(f"cluster.store={self.address}") as client:
            client.list_objects_v2(Bucket=s3.bucket_and_prefix(self.address)[0], MaxKeys=1)

    def new(self) -> Path:
        """Return the path for a file whose SHA-256 is not known yet."""
        return NodeCache.of_machine().new()

    def put(self, path: Path, sha256: str) -> None:
        """Send a file from a path of `new`; an object that is there becomes as young as it."""
        try:
            with s3.asking(self.address) as client:
                there = self.named(f"{sha256}.npy")
                known = client.list_objects_v2(Bucket=there["Bucket"], Prefix=there["Key"], MaxKeys=1)
                if [each["Size"] for each in known.get("Contents", [])] == [path.stat().st_size]:
                    client.copy_object(**there, CopySource=there, MetadataDirective="REPLACE")
                else:
                    client.upload_file(str(path), **there, Config=in_parts())
            NodeCache.of_machine().keep(path, sha256)
        finally:
            path.unlink(missing_ok=True)

    def file(self, sha256: str) -> Path:
        """Return the path of a file in this machine's cache, compared with its name once for each change."""
        return NodeCache.of_machine().file(sha256, partial(self.fetch, sha256))

    def fetch(self, sha256: str, path: Path) -> None:
        """Write an object to a path."""
        address = f"{self.address}/{sha256}.npy"
        with s3.asking(address, AGAIN) as client:
            client.download_file(**self.named(f"{sha256}.npy"), Filename=str(path), Config=in_parts())
        check_sha256(path, sha256, f"remove {address}; {AGAIN}")

    def write(self, name: str, data: bytes) -> None:
        """Write a small object."""
        with s3.asking(f"{self.address}/{name}") as client:
            client.put_object(**self.named(name), Body=data)

    def read(self, name: str) -> bytes:
        """Return the content of a small object."""
        with s3.asking(f"{self.address}/{name}") as client:
            return bytes(client.get_object(**self.named(name))["Body"].read())

    def listed(self) -> Iterator[Stored]:
        """Yield all objects."""
        for name, each in s3.objects_under(self.address, "/"):
            if NAME.fullmatch(name):
                yield Stored(name, each["Size"], each["LastModified"].timestamp())

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects."""
        bucket = s3.bucket_and_prefix(self.address)[0]
        keys = [{"Key": self.named(name)["Key"]} for name in names]
        with s3.asking(self.address) as client:
            for start in range(0, len(keys), s3.PAGE):
                some = {"Objects": keys[start : start + s3.PAGE], "Quiet": True}
                if refused := client.delete_objects(Bucket=bucket, Delete=some).get("Errors"):
                    said = f"{len(refused)} objects were not removed: {refused[0].get('Message')}"
                    raise UserError(f"{self.address}: {said}; see the permissions of the bucket")

    def path(self, sha256: str) -> None:
        """Return None: an object has no path."""

    def named(self, name: str) -> dict[str, str]:
        """Return what names an object in a request."""
        bucket, prefix = s3.bucket_and_prefix(self.address)
        return {"Bucket": bucket, "Key": f"{prefix}{name}"}


def in_parts() -> Any:
    """Return how boto3 sends and fetches large files."""
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=PARTS)


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
