"""Decoding all examples: one process gives the same pixels as many, and no process outlives the stage."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from sprout.data.listing import Files, texts
from sprout.data.prepare import decode_all as decoding
from sprout.data.prepare.decode import ImageFormat
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.errors import UserError
from sprout.runtime.process_pool import in_processes

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (40, 9, 11, 3), dtype=np.uint8)


@pytest.fixture
def pictures(tmp_path):
    """40 files of several formats; 3, 17 and 31 are damaged, 20 equals 5."""
    paths = []
    for row, pixels in enumerate(PICTURES):
        kind = ("png", "bmp", "tiff", "ppm")[row % 4]
        paths.append(f"{kind}/n° {row}.{kind}")
        (tmp_path / kind).mkdir(exist_ok=True)
        Image.fromarray(PICTURES[5] if row == 20 else pixels).save(tmp_path / paths[-1])
    (tmp_path / paths[3]).write_bytes(b"")
    (tmp_path / paths[17]).unlink()
    (tmp_path / paths[31]).write_bytes(b"no picture")
    return Files(tmp_path, texts(paths))


def decode(examples, folder, **how):
    settings = {"size": None, "channels": None, "resize": "none", "max_pixels": 10**6}
    image_format = ImageFormat(**{key: how.pop(key, value) for key, value in settings.items()})
    folder.mkdir(exist_ok=True)
    found = decoding.decode_all(examples, folder, image_format, LocalProcesses(), **how)
    return found, found.parts.take(np.arange(int(found.parts.starts[-1])))


def in_processes_of(monkeypatch, step):
    """Make even a few examples go to other processes, so many in each part."""
    monkeypatch.setattr(decoding, "FEW", -1)
    monkeypatch.setattr(decoding, "part_length", lambda *_, here: step)


def test_every_row_lies_at_its_place_and_every_fault_is_named(pictures, tmp_path):
    found, pixels = decode(pictures, tmp_path / "scratch")
    assert found.parts.shape == (9, 11, 3)
    assert list(found.faults) == [3, 17, 31]
    assert found.faults[3] == "zero bytes"
    assert found.faults[17] == "not readable (No such file or directory)"
    assert found.faults[31].startswith("not an image in a known format")
    expected = PICTURES.copy()
    expected[20] = expected[5]
    expected[[3, 17, 31]] = 0
    np.testing.assert_array_equal(pixels, expected)
    assert found.hashes is None


def test_known_faults_do_not_decide_the_size(pictures, tmp_path):
    Image.new("L", (3, 3)).save(tmp_path / str(pictures.paths[0]))
    found, _ = decode(pictures, tmp_path / "scratch", known_faults=(0,))
    assert found.parts.shape == (9, 11, 3)
    assert found.faults[0].startswith("3×3 pixels, not 11×9")


def test_digests_are_equal_where_pixels_are(pictures, tmp_path):
    digests = decode(pictures, tmp_path / "scratch")[0].digests
    assert (digests.shape, digests.dtype) == ((40, 16), np.uint8)
    assert digests[5].tobytes() == digests[20].tobytes()
    assert not digests[[3, 17, 31]].any()
    assert len({digest.tobytes() for digest in digests}) == 40 - 1 - 2


@pytest.mark.parametrize("how", [{}, {"size": (6, 8), "channels": 1, "resize": "crop", "near_duplicates": True}])
def test_processes_give_the_same_bytes(pictures, tmp_path, monkeypatch, how):
    here, expected = decode(pictures, tmp_path / "here", **how)
    in_processes_of(monkeypatch, step=7)
    there, pixels = decode(pictures, tmp_path / "there", **how)
    np.testing.assert_array_equal(pixels, expected)
    np.testing.assert_array_equal(there.digests, here.digests)
    assert (there.parts.shape, there.faults) == (here.parts.shape, here.faults)
    assert sorted(path.name for path in (tmp_path / "there").glob("*/*")) == [f"part-00000{n}" for n in range(6)]
    assert (there.hashes is None) == ("near_duplicates" not in how)
    np.testing.assert_array_equal(there.hashes, here.hashes)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_arrays(tmp_path, monkeypatch, kind):
    levels = {np.uint8: PICTURES, np.uint16: PICTURES * np.uint16(257), np.float32: PICTURES / np.float32(255)}[kind]
    np.save(tmp_path / "array.npy", levels)
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    for step in (256, 7):
        in_processes_of(monkeypatch, step)
        found, pixels = decode(mapped, tmp_path / "scratch")
        np.testing.assert_array_equal(pixels, PICTURES)
        assert found.faults == {}


def test_grey_arrays_get_an_axis(tmp_path):
    np.testing.assert_array_equal(decode(PICTURES[:, :, :, 0], tmp_path / "scratch")[1], PICTURES[:, :, :, :1])


def test_an_array_whose_rows_are_not_contiguous(tmp_path):
    turned = PICTURES.transpose(0, 2, 1, 3)[::-1]
    np.testing.assert_array_equal(decode(turned, tmp_path / "scratch")[1], turned)


def test_unset_size_and_channels_follow_the_first_readable_example(pictures, tmp_path):
    (tmp_path / str(pictures.paths[0])).write_bytes(b"damaged")
    Image.new("L", (5, 4)).save(tmp_path / str(pictures.paths[1]))
    found, _ = decode(pictures, tmp_path / "scratch")
    assert found.parts.shape == (4, 5, 1)
    assert found.faults[2] == "11×9 pixels, not 5×4; resize=none, not fit, crop or stretch"
    assert decode(pictures, tmp_path / "scratch", resize="fit", channels=3)[0].parts.shape == (4, 5, 3)


@pytest.mark.parametrize("size", [None, (4, 4)])
def test_nothing_to_read(tmp_path, size):
    (tmp_path / "a").write_bytes(b"")
    found, pixels = decode(Files(tmp_path, texts(["a", "b"])), tmp_path / "scratch", size=size)
    assert list(found.faults) == [0, 1]
    assert pixels.size == 0
    found, pixels = decode(Files(tmp_path, texts([])), tmp_path / "scratch", size=size)
    assert (found.faults, len(found.digests), pixels.size) == ({}, 0, 0)


@pytest.mark.parametrize(("side", "asked", "given"), [(63, None, False), (64, None, True), (63, True, True)])
def test_hashes_only_from_64_pixels_unless_asked(tmp_path, side, asked, given):
    found, _ = decode(np.zeros((2, side, 64, 3), np.uint8), tmp_path / "scratch", near_duplicates=asked)
    assert (found.hashes is not None) == given


def test_hashes_need_1_or_3_channels(tmp_path):
    with pytest.raises(UserError, match="1 or 3 channels, not 5"):
        decode(np.zeros((2, 64, 64, 5), np.uint8), tmp_path / "scratch", near_duplicates=True)


def test_few_files_may_still_be_much_work(pictures):
    assert decoding.are_few(pictures)
    assert not decoding.are_few(Files(pictures.root, texts(pictures.paths.to_pylist() * 20)))
    with (pictures.root / "large").open("wb") as file:
        file.truncate(100 << 20)
    assert not decoding.are_few(Files(pictures.root, texts(["large"])))


def test_a_process_that_is_killed_ends_the_stage_with_advice():
    with pytest.raises(RuntimeError, match=r"memory ran out.*prepare.max_pixels"):
        list(in_processes(iter([partial(os._exit, 9)]), 1))


SCRIPT = """
import sys
with open("imported", "a") as file:
    file.write(__name__ + chr(10))
from pathlib import Path
from sprout.runtime.engine import LocalProcesses
from sprout.runtime.signals import exit_codes
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.decode_all import decode_all
from sprout.data.listing import Files, texts
if __name__ == "__main__":
    with exit_codes():
        Path("scratch").mkdir()
        decode_all(Files(Path.cwd(), texts(["picture.png"] * int(sys.argv[1]))), Path("scratch"),
                   ImageFormat(None, None, "none", 10**6), LocalProcesses(), near_duplicates=False)
        print(*sorted(sys.modules))
"""


def start(folder: Path, count: int) -> subprocess.Popen[str]:
    """Decode one image `count` times."""
    Image.fromarray(PICTURES[0]).resize((200, 200)).save(folder / "picture.png")
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", str(count)]
    pipe, env = subprocess.PIPE, os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True)


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.slow
def test_processes_import_neither_the_script_nor_what_it_imports(tmp_path):
    _, err = start(tmp_path, 600).communicate(timeout=60)
    assert (tmp_path / "imported").read_text() == "__main__\n"
    assert "Traceback" not in err
    heavy = "import sys, sprout.data.prepare.worker; print(*sys.modules)"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", heavy], env=env, capture_output=True, text=True, check=True)
    assert not {"pyarrow", "scipy", "sklearn", "torch", "pandas", "imagehash"} & set(done.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_no_process_outlives_its_stage(tmp_path, signum, code):
    process = start(tmp_path, 300_000)
    stage = psutil.Process(process.pid)
    wait_until(lambda: any((tmp_path / "scratch").glob("*/part-000000*")))
    workers = stage.children(recursive=True)
    assert workers
    process.send_signal(signum)
    _, err = process.communicate(timeout=10)
    wait_until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in workers), 10)
    assert process.returncode == code
    assert "Traceback" not in err
    assert err.endswith("" if signum == signal.SIGKILL else f"ended by {signal.Signals(signum).name}\n")


MEMORY = """
import resource
from pathlib import Path
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.decode_all import decode_all
from sprout.data.listing import Files, texts
from sprout.runtime.engine import LocalProcesses
if __name__ == "__main__":
    Path("scratch").mkdir()
    for count in (1000, 8000):
        decode_all(Files(Path.cwd(), texts(["picture.png"] * count)), Path("scratch"),
                   ImageFormat((64, 64), 3, "crop", 10**6), LocalProcesses(), near_duplicates=False)
        here = Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]
        print(here, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_examples(tmp_path):
    """The anonymous memory of the stage, and the largest of its processes'; 8,000 such examples have 94 MiB."""
    Image.fromarray(PICTURES[0]).save(tmp_path / "picture.png")
    (tmp_path / "script.py").write_text(MEMORY)
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True, text=True)
    few, many = (map(int, line.split()) for line in done.stdout.splitlines())
    for before, after in zip(few, many, strict=True):
        assert after - before < 12 << 10  # kilobytes
