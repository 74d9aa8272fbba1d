"""Bad inputs: a small valid data set of each kind, and ways to break it."""

import lzma
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pictures import encoded
from servers import Fault
from test_archive import member, tar, zipped

Spoil = Callable[[Path], object]
Pairs = Mapping[str, tuple[Any, str]]
"""Name → what is bad, and a pattern of what is said of it."""
CLASSES = ["ant", "bee", "cat"]
LABELS = CLASSES * 8
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 8, 8), dtype=np.uint8)
PICTURES = [encoded(Image.fromarray(image), "PNG") for image in IMAGES]
LARGE = Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8))
FILES = {f"{label}/{at}.png": picture for at, (label, picture) in enumerate(zip(LABELS, PICTURES, strict=True))}


@dataclass(frozen=True)
class Bad:
    """An input that one of the stages refuses."""

    name: str
    says: str
    """A pattern of how the error begins; `HERE` in it is the workspace, `SITE` a server."""
    spoil: tuple[Spoil, ...] = ()
    """Each works on the folder of the data, in which the good set lies."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Other values in the section `download`, or in its format."""
    over: tuple[str, ...] = ()
    """Overrides."""
    answers: tuple[Fault, ...] = ()
    """What the server says before it gives the file."""
    stage: str = "prepare"
    """The one that refuses it."""


def bad(name: str, says: str, *spoil: Spoil, over: tuple[str, ...] | str = (), **changes: Any) -> Bad:
    """A set of one's own that the stage `prepare` refuses."""
    return Bad(name, says, spoil, changes, (over,) if isinstance(over, str) else over)


@dataclass(frozen=True)
class Group:
    """A good set, and what makes it bad."""

    write: Spoil
    """Writes the good set into a folder."""
    folder: str
    """That folder, in the workspace."""
    download: dict[str, Any]
    """The section. `HERE` in it is the workspace, `SITE` a server."""
    cases: list[Bad]
    of_format: bool = False
    """Whether the cases change values of the section's format."""

    def section(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The section with a case's changes."""
        if self.of_format:
            return self.download | {"format": {**self.download["format"], **changes}}
        return {**self.download, **changes}


def local(write: Spoil, kind: str, settings: dict[str, Any], cases: list[Bad]) -> Group:
    """Files of one's own."""
    section = {"source": "local", "name": "bad", "format": {"kind": kind, **settings}}
    return Group(write, "data/source/bad", section, cases, of_format=True)


def of_section(write: Spoil, cases: list[Bad]) -> Group:
    """The same, with cases that change the section itself."""
    return Group(write, "data/source/bad", {"source": "local", "name": "bad", "format": {"kind": "folders"}}, cases)


def from_url(write: Spoil, address: str, cases: list[Bad]) -> Group:
    """An archive from an address."""
    section = {"source": "url", "urls": [address], "sha256": None, "file": None, "format": {"kind": "folders"}}
    return Group(write, "away", section, cases)


def faulty(reason: str, share: str = "1 of 25") -> str:
    """What is said of examples that are faulty: of one more than the good set has, if nothing is said."""
    return rf"{share} examples are faulty, more than prepare\.max_faulty=0\.01: {reason}"


def every(reason: str) -> str:
    return faulty(reason, "24 of 24")


# What is done to the files of a set.


def put(name: str, content: bytes | str) -> Spoil:
    def write(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def lines(name: str, *text: str) -> Spoil:
    return put(name, "".join(f"{line}\n" for line in text))


def row(name: str, text: str | bytes) -> Spoil:
    """One more row in a table: its 25th."""
    added = text if isinstance(text, bytes) else text.encode()
    return lambda root: (root / name).write_bytes((root / name).read_bytes() + added + b"\n")


def rows(name: str, pairs: Pairs, **changes: Any) -> list[Bad]:
    """Tables with a bad row."""
    return [bad(at, faulty(f"{name} row 25: {said}"), row(name, text), **changes) for at, (text, said) in pairs.items()]


def clear(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def cut(name: str) -> Spoil:
    """The first half of a file."""
    return lambda root: os.truncate(root / name, (root / name).stat().st_size // 2)


def flip(name: str, at: int) -> Spoil:
    """Another byte in a file."""

    def change(root: Path) -> None:
        content = bytearray((root / name).read_bytes())
        content[at] ^= 0xFF
        (root / name).write_bytes(content)

    return change


def link(name: str, target: str) -> Spoil:
    return lambda root: (root / name).symlink_to(target)


def pipe(name: str) -> Spoil:
    return lambda root: os.mkfifo(root / name)


def save(name: str, array: Any) -> Spoil:
    return lambda root: np.save(root / name, np.asarray(array))


def one_more(example: Any, label: Any = "ant") -> Spoil:
    """A 25th array and its label."""

    def add(root: Path) -> None:
        np.save(root / "x.npy", np.concatenate([np.load(root / "x.npy"), [example]]))
        np.save(root / "y.npy", np.append(np.load(root / "y.npy"), label))

    return add


def parquet(**columns: Any) -> Spoil:
    return lambda root: pq.write_table(pa.table(columns), root / "t.parquet")


def named_twice(root: Path) -> None:
    """A Parquet file with two columns of one name."""
    column = pa.array(["i/0.png"])
    pq.write_table(pa.Table.from_arrays([column, column], ["path", "path"]), root / "t.parquet")


def head(shape: str, version: bytes = b"\x01\x00") -> bytes:
    """An array's head with this shape, and no values."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


def flat(value: float, dtype: type) -> bytes:
    """A TIFF of one value."""
    return encoded(Image.fromarray(np.full((8, 8), value, dtype)), "TIFF")


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def in_tar(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    """The good archive with one more member."""
    return tar(*FILES.items(), (member(name, kind, linkname="ant/0.png"), b""))


def in_zip(name: Any, method: int = 8) -> bytes:
    return zipped(*FILES.items(), (name, b"x"), method=method)


def encrypted() -> bytes:
    data = bytearray(zipped(("secret", b"1")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def bomb() -> bytes:
    return lzma.compress(tar(("ant/bomb", bytes(3 << 20))))


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


# Good sets: 24 examples, 8 of each class.


def nothing(_: Path) -> None:
    """There is no data of one's own."""


def write_folders(root: Path) -> None:
    for name, picture in FILES.items():
        put(name, picture)(root)


def write_paths(root: Path) -> None:
    for at, picture in enumerate(PICTURES):
        put(f"i/{at}.png", picture)(root)
    lines("t.csv", "path,label,part", *(f"i/{at}.png,{label}," for at, label in enumerate(LABELS)))(root)
    # What no row of the good table names.
    put("i/24.png", PICTURES[0])(root)
    put("i/text", "text")(root)
    put("i/zero", "")(root)
    pipe("i/pipe")(root)
    link("i/out", "../../../../params.yaml")(root)
    link("i/gone", "nowhere")(root)
    link("conf", "../../../conf")(root)


def write_pixels(root: Path) -> None:
    levels = [[str(level) for level in image.ravel()] for image in IMAGES]
    wide = [",".join([label, *pixels]) for label, pixels in zip(LABELS, levels, strict=True)]
    lines("wide.csv", ",".join(["label", *(f"p{at}" for at in range(64))]), *wide)(root)
    packed = [f"{at % 3},{' '.join(pixels)},Training" for at, pixels in enumerate(levels)]
    lines("packed.csv", "emotion,pixels,Usage", *packed)(root)


def write_arrays(root: Path) -> None:
    np.save(root / "x.npy", IMAGES)
    np.save(root / "y.npy", LABELS)
    np.savez(root / "set.npz", x=IMAGES, y=LABELS, objects=np.array([{}], object))


def write_table(root: Path) -> None:
    good = [f"{at},{at / 2},{'long' if at % 2 else 'short'},{label}," for at, label in enumerate(LABELS)]
    lines("t.csv", "age,size,fur,kind,part", *good)(root)
