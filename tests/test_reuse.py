"""A stage `prepare` that was ended goes on with the parts that it has left, as far as they are of the same files."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from sprout.config.formats import Folders
from sprout.data.formats import read_files
from sprout.data.listing import Files, Listing, texts
from sprout.data.prepare import decode_all, worker
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.parts import Parts, even_starts
from sprout.data.prepare.prepare import prepare
from sprout.runtime.files import atomic_folder, kept_folder, state_of
from test_prepare import bytes_of, settings_with

ROOT = Path(__file__).parents[1]
COUNT, STEP = 600, 60
CLASSES = ["ant", "bee", "cat"]


def image_listing(folder: Path) -> Listing:
    """600 images of three classes, two of them damaged; they are written where the folder is not there."""
    names = [f"{CLASSES[row % 3]}/{row}.png" for row in range(COUNT)]
    if not folder.exists():
        pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 5, 3), dtype=np.uint8)
        for row, name in enumerate(names):
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            Image.fromarray(pixels[row]).save(folder / name)
        for row in (5, 130):
            (folder / names[row]).write_bytes(b"")
    labels = pa.array([name.partition("/")[0] for name in names])
    return Listing(Files(folder, texts(names)), pa.array(names), label=labels, classes=CLASSES)


@dataclass(frozen=True)
class Here:
    """Runs tasks in this process, which is killed after some of them."""

    until: int | None = None

    def run_in_order(self, tasks: Iterator[partial[Any]]) -> Generator[Any]:
        for number, task in enumerate(tasks):
            if number == self.until:
                os.kill(os.getpid(), signal.SIGKILL)
            yield task()


def prepared(folder: Path, listing: Listing, engine: Here, **settings: Any) -> dict[str, bytes]:
    """The files of `prepare`, whose parts are left in the folder `parts` when it ends early."""
    with (
        pytest.MonkeyPatch.context() as patch,
        atomic_folder(folder / "prepared") as made,
        kept_folder(folder / "parts") as parts,
    ):
        patch.setattr(decode_all, "part_length", lambda *_, here: STEP)
        prepare(listing, made, parts, settings_with(**{"size": (4, 4), "resize": "fit"} | settings), engine)  # type: ignore[arg-type]
    return bytes_of(folder / "prepared")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are decoded by tasks from now on."""
    paths: list[str] = []
    decode = worker.decode_examples

    def recorded(root: str, examples: list[str], *rest: Any) -> Any:
        paths.extend(examples)
        return decode(root, examples, *rest)

    monkeypatch.setattr(worker, "decode_examples", recorded)
    return paths


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder in which `prepare` was killed after six of ten parts, and while it wrote the next one."""
    image_listing(tmp_path / "images")
    script = "from test_reuse import *; prepared(Path.cwd(), image_listing(Path.cwd() / 'images'), Here(until=6))"
    env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (folder,) = (tmp_path / "parts").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [f"part-{number:06}" for number in range(6)]
    (folder / "part-000006.tmp-0123").write_bytes(b"half")
    return tmp_path


@pytest.fixture
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, bytes]]:
    """What a run makes that was not ended before."""
    return lambda listing, **settings: prepared(tmp_path_factory.mktemp("whole"), listing, Here(), **settings)


def test_a_run_that_was_killed_goes_on(killed: Path, decoded: list[str], expected: Any, capsys: Any) -> None:
    listing = image_listing(killed / "images")
    found = prepared(killed, listing, Here())
    names = listing.examples.paths.to_pylist()  # type: ignore[union-attr]
    assert sorted(decoded) == sorted([*names[6 * STEP :], names[5], names[130]])  # those with a fault are tried again
    assert "prepare: 360 images were decoded already, by a run that was ended" in capsys.readouterr().err
    assert not (killed / "parts").exists()
    assert found == expected(listing)


def changed_time(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def other_pixels(path: Path) -> None:
    """As long as before and of the same time."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [changed_time, other_pixels, Path.unlink])
def test_a_part_of_a_changed_file_is_decoded_again(
    killed: Path, decoded: list[str], expected: Any, change: Any
) -> None:
    listing = image_listing(killed / "images")
    change(killed / "images/ant/60.png")  # in the second part
    assert prepared(killed, listing, Here()) == expected(listing)
    assert decoded.count("cat/119.png") == 2  # by this run and by the expected one
    assert decoded.count("bee/121.png") == 1


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def record_flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[STEP * 4 * 4 * 3 + 200] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flipped, record_flipped, cut, Path.unlink])
def test_a_damaged_part_is_decoded_again(killed: Path, decoded: list[str], expected: Any, damage: Any) -> None:
    (folder,) = (killed / "parts").iterdir()
    damage(folder / "part-000003")
    listing = image_listing(killed / "images")
    found = prepared(killed, listing, Here())
    assert decoded.count("ant/180.png") == 1
    assert decoded.count("ant/120.png") == 0
    assert found == expected(listing)


def test_a_file_that_can_be_read_now_is_decoded(killed: Path, decoded: list[str], expected: Any) -> None:
    """Its length and times are the same: what kept it from being read was something else."""
    (folder,) = (killed / "parts").iterdir()
    parts = Parts(folder, even_starts(COUNT, STEP), (4, 4, 3))
    record = worker.read_record(parts.path(1), parts.bytes_of(1))
    assert record is not None
    pixels = parts.take(np.arange(STEP, 2 * STEP))
    pixels[3], record.digests[3] = 0, 0
    with parts.new(1) as file:
        file.write(pixels.data)
        replace(record, faults={3: "needs more memory than is available"}).append(file)
    listing = image_listing(killed / "images")
    assert prepared(killed, listing, Here()) == expected(listing)


def test_other_settings_decode_again_and_leave_nothing(killed: Path, decoded: list[str], expected: Any) -> None:
    listing = image_listing(killed / "images")
    found = prepared(killed, listing, Here(), size=(3, 4))
    assert len(decoded) == COUNT
    assert found == expected(listing, size=(3, 4))
    assert not (killed / "parts").exists()


def test_files_that_change_while_they_are_decoded_are_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = image_listing(tmp_path / "images")
    decode = worker.decode_examples

    def written_over(root: str, examples: list[str], *rest: Any) -> Any:
        found = decode(root, examples, *rest)
        changed_time(Path(root, examples[0]))
        return found

    image_format = ImageFormat((4, 4), 3, "fit", 10**6)
    (tmp_path / "parts").mkdir()
    for wanted in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(worker, "decode_examples", decode if wanted else written_over)
            patch.setattr(decode_all, "part_length", lambda *_, here: STEP)
            decode_all.decode_all(listing.examples, tmp_path / "parts", image_format, Here())  # type: ignore[arg-type]
        (folder,) = (tmp_path / "parts").iterdir()
        parts = Parts(folder, even_starts(COUNT, STEP), (4, 4, 3))
        records = [worker.read_record(parts.path(number), parts.bytes_of(number)) for number in range(10)]
        assert [bool(record and record.source) for record in records] == [wanted] * 10


def test_files_of_an_archive_are_known_by_the_archive(tmp_path: Path) -> None:
    image_listing(tmp_path / "images")
    (tmp_path / "raw").mkdir()
    archive = Path(shutil.make_archive(str(tmp_path / "raw/images"), "zip", tmp_path / "images"))
    versions = set()
    for attempt in ("one", "two"):
        (tmp_path / attempt).mkdir()
        examples = read_files(tmp_path / "raw", tmp_path / attempt, Folders("folders")).examples
        assert isinstance(examples, Files)
        versions.add(examples.version)
    assert versions == {state_of(archive)}
