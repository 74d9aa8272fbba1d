"""What tells whether a part that an earlier run has left is one of this run. Imports only numpy.

Parts lie in a folder that is named by how images are decoded. Behind its pixels, a part has a record: from which files
they came, their digests, and the faults. A file counts as the same one while its length and times are.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile

import numpy as np

from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.pixels import Array
from sprout.runtime.files import state_of

CODE = ("decode", "fault", "image_file", "open_image", "parts", "pixels", "reuse", "worker")
"""The modules beside this one that decide what is in a part."""
LIBRARIES = ("numpy", "pillow", "pillow-heif", "simplejpeg", "imagehash", "scipy")
"""The packages that do, as far as they are installed."""


@dataclass(frozen=True)
class PartRecord:
    """What is known of the n images of a part."""

    source: str
    """See `source_state`; "" where files have changed while they were decoded."""
    digests: Array
    """(n, 16) uint8, zero for a fault."""
    hashes: Array | None
    """(n,) uint64, zero for a fault; None where they were not requested."""
    faults: dict[int, str]
    """Place in the part → reason."""

    def append(self, file: BinaryIO) -> None:
        """Write the record behind the pixels of a part."""
        known = {"source": self.source, "faults": [*self.faults.items()], "hashed": self.hashes is not None}
        described = np.frombuffer(json.dumps(known).encode(), np.uint8)
        hashes = np.zeros(0, np.uint64) if self.hashes is None else self.hashes
        packed = BytesIO()
        np.savez(packed, described=described, digests=self.digests, hashes=hashes)
        file.write(packed.getbuffer())


def read_record(path: Path, pixels: int) -> PartRecord | None:
    """Return the record of a part; None where there is no part, or no complete one.

    Args:
        path: of the part.
        pixels: bytes before the record.
    """
    try:
        with path.open("rb") as file:
            file.seek(pixels)
            packed = BytesIO(file.read())
        with np.load(packed, allow_pickle=False) as arrays:
            known = json.loads(arrays["described"].tobytes())
            hashes = arrays["hashes"] if known["hashed"] else None
            return PartRecord(known["source"], arrays["digests"], hashes, dict(known["faults"]))
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):
        return None


def source_state(root: str, paths: Sequence[str], version: str) -> str:
    """Return a hash over the paths of files and over what changes with their content.

    Args:
        root: the folder that they lie under.
        paths: relative to it; "" for one that is not opened.
        version: what changes with any of them; "" where their own lengths and times tell.
    """
    found = hashlib.blake2b(version.encode(), digest_size=16)
    for path in paths:
        state = state_of(f"{root}/{path}") if path and not version else ""
        found.update(f"{path}\0{state}\0".encode())
    return found.hexdigest()


def decoding_key(root: str | None, target: ImageFormat, starts: Array, *, hashes: bool) -> str:
    """Return the name of the folder for parts that are decoded and cut alike, by the same code and libraries.

    Args:
        root: where the files lie; None for an array.
        target: with a size and channels.
        starts: of the parts.
        hashes: whether there are perceptual hashes.
    """
    code = hashlib.sha256()
    for name in CODE:
        code.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    libraries = [f"{name} {version_of(name)}" for name in LIBRARIES]
    cut = hashlib.sha256(starts.astype("<i8").tobytes()).hexdigest()
    decided = [root, asdict(target), cut, hashes, code.hexdigest(), libraries]
    return hashlib.sha256(json.dumps(decided).encode()).hexdigest()[:32]


def version_of(package: str) -> str:
    """Return the version of a package, "" if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
