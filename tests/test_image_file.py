"""Faults of image files: their content and their path; damaged bytes raise nothing but a fault."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import DEEP, LARGE, decoded, encoded
from sprout.data.prepare.decode import ImageFormat
from sprout.data.prepare.fault import Fault
from sprout.data.prepare.image_file import decode_file


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "zero bytes"),
        (b"<html>not found</html>", "image in a known format"),
        (b"%PDF-1.7\n", "image in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\nBoundingBox: 0 0 9 9\n", "image in a known format"),
        (cut(encoded(LARGE, "JPEG"), 0.5), r"truncated: .* \d,\d{3} bytes"),
        (cut(encoded(LARGE, "PNG"), 0.5), r"truncated: .* \d,\d{3} bytes"),
        (cut(encoded(LARGE, "GIF"), 0.5), r"truncated: .* \d,\d{3} bytes"),
        (cut(encoded(LARGE, "BMP"), 0.5), r"truncated: .* \d,\d{3} bytes"),
        (cut(encoded(LARGE, "WEBP"), 0.5), "truncated|damaged"),
        (cut(encoded(LARGE, "TIFF", compression="tiff_lzw"), 0.5), "truncated|damaged"),
        (cut(encoded(LARGE, "AVIF"), 0.5), "truncated|damaged|known format"),
        (encoded(Image.new("1", (1001, 1000)), "PNG"), "1001×1000 pixels, more than prepare.max_pixels=1000000"),
        (b"P5 99999 99999 255\n", "99999×99999 pixels, more than"),
    ],
)
def test_faults_of_content(data, reason):
    with pytest.raises(Fault, match=reason):
        decoded(data)


def test_pillows_own_limit_does_not_apply(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decoded(encoded(LARGE, "PNG")).shape == (64, 64, 3)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.fixture
def places(tmp_path):
    """A root with an image, links and special files, and an image outside of it."""
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    for file in (root / "folder" / "in.png", tmp_path / "out.png"):
        file.write_bytes(encoded(LARGE, "PNG"))
    (root / "inside").symlink_to("folder/in.png")
    (root / "outside").symlink_to(tmp_path / "out.png")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nowhere")
    (root / "way_out").symlink_to(tmp_path)
    (root / "way_in").symlink_to("folder")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.bind(os.path.relpath(root / "socket"))  # a whole path may be too long for it
    return root


def place(root: Path, path: str):
    return decode_file(str(root), path, ImageFormat(None, None, "none", 10**6))


@pytest.mark.parametrize("path", ["folder/in.png", "inside", "way_in/in.png", "folder/../folder/in.png"])
def test_links_inside_the_root_are_followed(places, path):
    assert place(places, path).shape == (64, 64, 3)


def test_the_root_may_be_a_link(places):
    (places.parent / "link").symlink_to(places)
    assert place(places.parent / "link", "inside").shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("outside", "a link that leads out of"),
        ("way_out/out.png", "lies outside"),
        ("../out.png", "lies outside"),
        ("/etc/hostname", "lies outside"),
        ("loop", "not readable"),
        ("dangling", "No such file"),
        ("missing.png", "No such file"),
        ("folder/in.png/more", "Not a directory"),
        ("folder", "a folder, not a file"),
        ("pipe", "a device or pipe"),
        ("socket", "a device or pipe"),
        ("x" * 300, "File name too long"),
        ("null\0byte", "null byte"),
        ("no\ud800text", "surrogates not allowed"),
    ],
)
def test_faults_of_place(places, path, reason):
    with pytest.raises(Fault, match=reason):
        place(places, path)


def test_a_file_without_permission(places):
    (places / "folder" / "in.png").chmod(0)
    user = os.geteuid()
    if user == 0:  # reads everything
        os.seteuid(65534)
    try:
        with pytest.raises(Fault, match="Permission denied"):
            place(places, "folder/in.png")
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", ["a b.png", "n\newline", "é", "e\u0301", "raw\udcff"])
def test_names_do_not_matter(tmp_path, name):
    (tmp_path / name).write_bytes(encoded(LARGE, "PNG"))
    assert place(tmp_path, name).shape == (64, 64, 3)


def damaged(data: bytes, generator: np.random.Generator) -> bytes:
    """Cut off, changed in a few places, or a part of it overwritten."""
    how, changed = generator.integers(4), bytearray(data)
    at = int(generator.integers(len(data)))
    if how == 0:
        return data[:at]
    if how == 1:
        changed[at : at + 20] = generator.bytes(20)
        return bytes(changed)
    for _ in range(int(generator.integers(1, 8))):
        # The head decides most: half of the damage is done there.
        changed[int(generator.integers(min(200, len(data)) if how == 2 else len(data)))] ^= 1 << generator.integers(8)
    return bytes(changed)


SAMPLES = {
    "JPEG": encoded(LARGE, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    "progressive JPEG": encoded(LARGE, "JPEG", progressive=True),
    "CMYK JPEG": encoded(LARGE.convert("CMYK"), "JPEG"),
    "MPO": encoded(LARGE, "MPO", save_all=True, append_images=[LARGE]),
    "PNG": encoded(LARGE.convert("RGBA"), "PNG"),
    "APNG": encoded(LARGE.convert("P"), "PNG", save_all=True, append_images=[LARGE]),
    "16-bit PNG": encoded(Image.fromarray(DEEP), "PNG"),
    "GIF": encoded(LARGE, "GIF", save_all=True, append_images=[LARGE.rotate(90)]),
    "BMP": encoded(LARGE, "BMP"),
    "WEBP": encoded(LARGE, "WEBP", save_all=True, append_images=[LARGE.rotate(90)]),
    "TIFF": encoded(LARGE, "TIFF"),
    "LZW TIFF": encoded(LARGE, "TIFF", compression="tiff_lzw"),
    "JPEG TIFF": encoded(LARGE, "TIFF", compression="jpeg"),
    "float TIFF": encoded(Image.fromarray(np.ones((8, 8), np.float32)), "TIFF"),
    "PPM": encoded(LARGE, "PPM"),
    "AVIF": encoded(LARGE, "AVIF"),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_any_damaged_bytes_raise_only_a_fault(kind, capfd):
    generator = np.random.default_rng(sum(kind.encode()))
    reasons = []
    for _ in range(40):
        try:
            found = decoded(damaged(SAMPLES[kind], generator), (16, 16), 3, "crop")
        except Fault as fault:
            reasons.append(str(fault))
        else:
            assert (found.shape, found.dtype) == ((16, 16, 3), np.uint8)
    assert len(reasons) >= 4
    assert all(reason and "\n" not in reason for reason in reasons)
    assert capfd.readouterr().err == ""
