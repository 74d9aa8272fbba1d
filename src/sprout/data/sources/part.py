"""What has come of a file so far: `KEY.part`, and beside it `KEY.json`, what the server said of the whole."""

from dataclasses import asdict, dataclass
from pathlib import Path

from sprout.runtime.files import atomic_write, read_json, write_json


class FailedError(Exception):
    """Why a file cannot be had from a URL."""


@dataclass(frozen=True)
class Origin:
    """What a server says of the file that it sends; None where it says nothing."""

    length: int | None
    """Bytes of the whole file."""
    etag: str | None
    modified: str | None
    """`Last-Modified`, as the server writes it."""

    @property
    def strong(self) -> str | None:
        """An ETag that other bytes never have; a weak one allows them (RFC 9110, 8.8.1)."""
        return None if self.etag is None or self.etag.startswith("W/") else self.etag


def begin(part: Path, origin: Origin) -> None:
    """Make room for a file's first byte."""
    part.unlink(missing_ok=True)
    with atomic_write(beside(part)) as path:
        write_json(path, asdict(origin))


def begun(part: Path) -> Origin | None:
    """What was said of the file whose bytes `part` holds; None where it holds none, or they are of unknown origin."""
    if not size(part) or not beside(part).is_file():
        return None
    return Origin(**read_json(beside(part)))


def forget(part: Path) -> None:
    """Remove what has come, bytes first: what is left by a kill is never gone on with."""
    part.unlink(missing_ok=True)
    beside(part).unlink(missing_ok=True)


def size(part: Path) -> int:
    """Bytes that have come."""
    return part.stat().st_size if part.is_file() else 0


def beside(part: Path) -> Path:
    """Where the origin of `part` is kept."""
    return part.with_suffix(".json")
