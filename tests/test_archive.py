"""Archives, good and bad: all of one is unpacked, or nothing of it and one line says why."""

import bz2
import errno
import gc
import gzip
import io
import lzma
import re
import stat
import sys
import tarfile
import unicodedata
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sprout.data.sources import archive, members, tar_members
from sprout.data.sources.archive import is_archive, unpack
from sprout.runtime import progress
from sprout.runtime.errors import UserError

NOISE = np.random.default_rng(0).bytes(1_500_000)
FILES = {
    "set/a cat/1 (copy).png": b"one",
    "set/a cat/" + unicodedata.normalize("NFC", "é.png"): b"composed",
    "set/a cat/" + unicodedata.normalize("NFD", "é.png"): b"decomposed",
    "set/dog/Case": b"upper",
    "set/dog/case": b"lower",
    "set/dog/new\nline": b"line",
    "set/dog/..hidden": b"dots",
    "set/dog/a:b": b"colon",
    "set/犬/" + "x" * 150: b"long",
    "set/" + "deep/" * 40 + "file": b"deep",
    "empty": b"",
    "large": NOISE,
}
PACKINGS = {"tar": bytes, "tar.gz": partial(gzip.compress, mtime=0), "tar.bz2": bz2.compress, "tar.xz": lzma.compress}


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def tar(*entries: tuple[str | tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of members and their bytes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as out:
        for info, data in entries:
            header = member(info) if isinstance(info, str) else info
            if header.isreg():
                header.size = len(data)
            out.addfile(header, io.BytesIO(data))
    return file.getvalue()


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of members and their bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        for info, data in entries:
            out.writestr(info, data, method)
    return file.getvalue()


def moded(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def put(tmp_path):
    """Write an archive and return its path: its name says nothing of its kind."""

    def put(data: bytes) -> Path:
        (tmp_path / "set.bin").write_bytes(data)
        return tmp_path / "set.bin"

    return put


@pytest.fixture
def refusal(put, tmp_path):
    """Unpack what cannot be unpacked; return what is said of it. Nothing is left behind, inside or beside."""

    def refusal(data: bytes, **caps: int) -> str:
        path = put(data)
        with pytest.raises(UserError) as refused:
            unpack(path, tmp_path / "in" / "to", **caps)
        said = str(refused.value)
        assert said.startswith(f"{path}: ")
        assert "\n" not in said
        assert [p.name for p in tmp_path.rglob("*")] in (["set.bin"], ["set.bin", "in"], ["in", "set.bin"])
        return said.removeprefix(f"{path}: ")

    return refusal


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("packing", PACKINGS)
def test_a_tar(put, tmp_path, packing, form):
    path = put(PACKINGS[packing](tar(*FILES.items(), form=form)))
    assert is_archive(path)
    unpack(path, tmp_path / "to")
    assert content(tmp_path / "to") == FILES


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip(put, tmp_path, method):
    path = put(zipped(*FILES.items(), method=method))
    assert is_archive(path)
    unpack(path, tmp_path / "to")
    assert content(tmp_path / "to") == FILES


def test_a_zip_with_old_names(put, tmp_path):
    """Without the flag for UTF-8 a name is in code page 437."""
    data = zipped(("caf_.txt", b"1")).replace(b"caf_", b"caf\x82")
    unpack(put(data), tmp_path / "to")
    assert content(tmp_path / "to") == {"café.txt": b"1"}


def test_folders(put, tmp_path):
    """Empty ones stay; one may come before or after what lies in it."""
    entries = [("./", True), ("b/c", False), ("b", True), ("./a/empty", True), ("./a//f", False)]
    packed = {
        "tar": tar(*((member(name, tarfile.DIRTYPE if folder else tarfile.REGTYPE), b"") for name, folder in entries)),
        "zip": zipped(*((name.rstrip("/") + "/" * folder, b"") for name, folder in entries)),
    }
    for kind, data in packed.items():
        unpack(put(data), tmp_path / kind)
        there = sorted(str(p.relative_to(tmp_path / kind)) for p in (tmp_path / kind).rglob("*"))
        assert there == ["a", "a/empty", "a/f", "b", "b/c"]


@pytest.mark.parametrize("make", [tar, zipped])
def test_what_was_there_is_replaced(put, tmp_path, make):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "old").write_text("old")
    unpack(put(make(("new", b"1"))), tmp_path / "to")
    assert content(tmp_path / "to") == {"new": b"1"}


def test_modes_are_not_taken_over(put, tmp_path):
    data = tar((member("d", tarfile.DIRTYPE, mode=0), b""), (member("d/f", mode=0o7777, uid=12345), b"1"))
    unpack(put(data), tmp_path / "to")
    plain = tmp_path / "plain"
    plain.touch()
    made = (tmp_path / "to/d/f").stat()
    assert (made.st_mode, made.st_uid) == (plain.stat().st_mode, plain.stat().st_uid)


def test_holes_are_filled(put, tmp_path):
    """GNU tar's sparse files."""
    header = member("f", tarfile.GNUTYPE_SPARSE, size=512).tobuf(tarfile.GNU_FORMAT)
    spans = b"%011o\0%011o\0" % (1000, 512) + b"%011o\0%011o\0" % (2000, 0)
    header = header[:386] + spans + header[386 + len(spans) : 483] + b"%011o\0" % 2000 + header[495:]
    checksum = sum(header[:148]) + 256 + sum(header[156:])
    header = header[:148] + b"%06o\0 " % checksum + header[156:]
    unpack(put(header + b"x" * 512 + bytes(10240)), tmp_path / "to")
    assert content(tmp_path / "to") == {"f": bytes(1000) + b"x" * 512 + bytes(488)}


@pytest.mark.parametrize("packing", ["tar", "tar.xz", "zip"])
def test_progress(put, tmp_path, monkeypatch, capsys, packing):
    """Of a tar, the archive's MiB; of a zip, its members."""
    monkeypatch.setattr(progress, "SECONDS", -1.0)
    data = zipped(*FILES.items()) if packing == "zip" else PACKINGS[packing](tar(*FILES.items()))
    unpack(put(data), tmp_path / "to")
    total = len(FILES) if packing == "zip" else -(-len(data) // 2**20)
    what = "unpack set.bin" if packing == "zip" else "unpack set.bin (MiB)"
    assert capsys.readouterr().err.splitlines() == [f"{what}: {done}/{total}" for done in range(total + 1)]


ZEROS = [pack(bytes(2048)) for pack in PACKINGS.values()]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"label,pixel1\n",
        b"\x89PNG\r\n\x1a\n" + bytes(1000),
        b"\x93NUMPY" + bytes(1000),
        b"PAR1" + bytes(1000),
        *(pack(b"label,pixel1\n" * 100) for pack in PACKINGS.values()),
        gzip.compress(b"a" * 1000, mtime=0)[:20],
        lzma.compress(b"a" * 1000)[:20],
        b"BZh9" + bytes(1000),
        *ZEROS,
    ],
)
def test_what_is_no_archive(put, refusal, data):
    assert not is_archive(put(data))
    # Zeros alone are also what tar writes of no files.
    assert data in ZEROS or refusal(data).startswith("damaged at its beginning: ")


BAD_NAMES = {
    "/etc/passwd": "is an absolute name",
    "//host/x": "is an absolute name",
    "..": "climbs with ..",
    "../x": "climbs with ..",
    "a/../../x": "climbs with ..",
    "a/..": "climbs with ..",
    "a/../x": "climbs with ..",
    "..\\x": "holds a backslash",
    "a\\b": "holds a backslash",
    "\\\\host\\x": "holds a backslash",
    "C:/x": "begins with a drive",
    "c:x": "begins with a drive",
    "x" * 300: "File name too long",
    "x/" * 3000 + "x": "File name too long",
}


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name(refusal, make, name, folder):
    kind = tarfile.DIRTYPE if folder else tarfile.REGTYPE
    bad = member(name, kind) if make is tar else name + "/" * folder
    assert re.match(
        rf"member '{re.escape(repr(name)[1:-1])}/?':? {BAD_NAMES[name]}", refusal(make(("good", b"1"), (bad, b"")))
    )


def test_a_null_byte_in_a_name(refusal):
    assert refusal(zipped(("a_b", b"1")).replace(b"a_b", b"a\0b")) == r"member 'a\x00b' holds a null byte"
    header = member("plain", pax_headers={"path": "a\0b"})
    assert refusal(tar((header, b"1"))) == r"member 'a\x00b' holds a null byte"


def test_a_name_that_is_no_utf_8(refusal):
    data = tar(("caf\udce9", b"1"), form=tarfile.GNU_FORMAT)
    assert refusal(data) == r"member 'caf\udce9' is no valid Unicode"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link; `tar --hard-dereference` packs the file itself"),
        (tarfile.CHRTYPE, "neither a file nor a folder"),
        (tarfile.BLKTYPE, "neither a file nor a folder"),
        (tarfile.FIFOTYPE, "neither a file nor a folder"),
        (b"Z", "neither a file nor a folder"),
    ],
)
def test_what_is_no_file_in_a_tar(refusal, kind, said):
    assert refusal(tar(("good", b"1"), (member("bad", kind, linkname="good"), b""))) == f"member 'bad' is {said}"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_what_is_no_file_in_a_zip(refusal, kind):
    said = "a symbolic link" if kind == stat.S_IFLNK else "neither a file nor a folder"
    assert refusal(zipped(("good", b"1"), (moded("bad", kind | 0o777), b"/etc"))) == f"member 'bad' is {said}"


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("a", "a", "'a' comes twice"),
        ("a", "./a", "'./a' comes twice"),
        ("a/b", "a//b", "'a//b' comes twice"),
        ("a", "a/b", "'a/b' comes both as a file and as a folder"),
        ("a/b", "a", "'a' comes both as a file and as a folder"),
        ("a", "a/b/c/d", "'a/b/c/d' comes both as a file and as a folder"),
        ("a", ".", "'.' comes both as a file and as a folder"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_of_one_name(refusal, make, first, second, said):
    assert refusal(make((first, b"1"), (second, b"2"))) == f"member {said}"


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_and_a_folder_of_one_name(refusal, order):
    said = "comes both as a file and as a folder"
    assert said in refusal(tar(*[("a", b"1"), (member("a", tarfile.DIRTYPE), b"")][::order]))
    assert said in refusal(zipped(*[("a", b"1"), ("a/", b"")][::order]))


def test_an_encrypted_zip(refusal):
    data = bytearray(zipped(("secret", b"1")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(data)) == "member 'secret' is encrypted; pack it without a password"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_cannot_be_unpacked_in_bounded_memory(refusal, method):
    said = f"member 'a' is packed by method {method}; accepted: deflate, none"
    assert refusal(zipped(("a", b"1"), method=method)) == said


@pytest.mark.parametrize("make", [tar, zipped])
def test_too_many_members(refusal, make):
    data = make(*((f"d{at}/f", b"") for at in range(4)))
    assert refusal(data, max_members=3) == "member 'd3/f' is one too many: 3 are allowed"


def test_as_many_members_as_are_allowed(put, tmp_path):
    unpack(put(tar(*FILES.items())), tmp_path / "to", max_members=len(FILES), max_bytes=sum(map(len, FILES.values())))
    assert content(tmp_path / "to") == FILES


@pytest.mark.parametrize("make", [tar, zipped])
def test_too_many_bytes(refusal, make):
    said = "member 'b' is too large: the archive unpacks to more bytes than are allowed"
    assert refusal(make(("a", b"12"), ("b", b"345"), ("c", b"")), max_bytes=4) == said


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_bomb(refusal, monkeypatch, make):
    monkeypatch.setattr(archive, "HARMLESS", 10_000)
    data = lzma.compress(make(("bomb", bytes(10_000_000)))) if make is tar else zipped(("bomb", bytes(10_000_000)))
    assert "'bomb' is too large" in refusal(data, max_ratio=100)


def test_a_small_archive_of_much_is_no_bomb(put, tmp_path):
    unpack(put(lzma.compress(tar(("blank", bytes(10_000_000))))), tmp_path / "to", max_ratio=2)
    assert (tmp_path / "to" / "blank").stat().st_size == 10_000_000


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_refused_archive_is_closed(put, monkeypatch, tmp_path, make):
    """A handler of the error may live on with its traceback, which would hold the file open."""
    opened = []
    real = open

    def noted(*args, **kwargs):
        opened.append(real(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(io, "open", noted)
    path = put(make(("../a", b"1")))
    with pytest.raises(UserError) as refused:
        unpack(path, tmp_path / "to")
    assert opened
    assert all(file.closed for file in opened)
    assert refused.tb


def test_a_zip_that_lies_of_its_sizes(refusal, monkeypatch):
    """The bytes count, not what is said of them."""
    monkeypatch.setattr(archive, "HARMLESS", 10_000)
    data = zipped(("bomb", bytes(1_000_000)))
    lying = data.replace((1_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lying != data
    assert "damaged at member 'bomb': Bad CRC-32" in refusal(lying)


def test_a_header_that_would_fill_the_memory(refusal, monkeypatch):
    monkeypatch.setattr(tar_members, "HEADERS", 100_000)
    header = member("a", pax_headers={"comment": "x" * 1_000_000})
    assert (
        refusal(gzip.compress(tar(("first", NOISE), (header, b"1")))) == "more than 100000 bytes lie between two files"
    )


def test_members_that_are_written_are_forgotten(put, monkeypatch, tmp_path):
    """tarfile would keep every header that it reads."""
    alive = []

    def write(*_):
        # By type, not isinstance: that would ask the lazy objects of other libraries for their class.
        alive.append(sum(type(each) is tar_members.Header for each in gc.get_objects()))
        return 0

    monkeypatch.setattr(archive, "write", write)
    gc.collect()  # the headers of earlier tests
    unpack(put(tar(*((str(at), b"") for at in range(20)))), tmp_path / "to")
    assert len(alive) == 20
    assert max(alive) <= 3


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_truncated_tar(refusal, packing):
    """Wherever it breaks off, between two members too."""
    data = PACKINGS[packing](tar(("a", NOISE[:1000]), ("b", NOISE[1000:2000])))
    members_end = 2 * (512 + 1024)
    cuts = range(512, members_end + 1, 256) if packing == "tar" else [*range(len(data) // 2, len(data), 100), -1]
    for cut in cuts:
        assert refusal(data[:cut]).startswith("damaged at ")


@pytest.mark.parametrize("cut", [10, 100, 500, 1])
def test_a_truncated_zip(refusal, cut):
    assert refusal(zipped(("a", NOISE[:1000]))[:-cut]).startswith("damaged at its beginning: ")


@pytest.mark.parametrize("packing", [*PACKINGS, "zip"])
def test_a_changed_byte_is_no_traceback(put, tmp_path, packing):
    """It is found, or it is where nothing depends on it."""
    entries = [(f"d/{at}", NOISE[at * 300 : at * 300 + 300]) for at in range(5)]
    good = zipped(*entries) if packing == "zip" else PACKINGS[packing](tar(*entries))
    generator = np.random.default_rng(0)
    refused = 0
    for at in generator.choice(len(good), 60):
        bad = bytearray(good)
        bad[at] ^= 1 << int(generator.integers(8))
        try:
            unpack(put(bytes(bad)), tmp_path / "to")
        except UserError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("packing", PACKINGS)
def test_what_follows_the_end_is_not_left_out(refusal, packing):
    first, second = (PACKINGS[packing](tar((name, b"1"))) for name in "ab")
    assert refusal(first + second) == "the archive goes on behind its end; pack it as one"


def test_a_broken_header_is_not_the_end(refusal):
    data = bytearray(tar(("a", b"1"), ("b", b"2")))
    data[1024] ^= 1
    assert refusal(bytes(data)) == "damaged at member 'a': bad checksum; fetch or pack it anew"


def test_zstandard(put, tmp_path, refusal):
    data = b"\x28\xb5\x2f\xfd" + bytes(100)
    if sys.version_info < (3, 14):
        assert is_archive(put(data))
        assert "zstandard" in refusal(data)
        return
    from compression import zstd

    assert not is_archive(put(data))
    unpack(put(zstd.compress(tar(*FILES.items()))), tmp_path / "to")
    assert content(tmp_path / "to") == FILES


@pytest.mark.parametrize("fault", [KeyboardInterrupt("stop"), OSError(errno.ENOSPC, "stop")])
@pytest.mark.parametrize("make", [tar, zipped])
def test_what_is_not_the_archive_s_fault_passes_through(put, tmp_path, monkeypatch, make, fault):
    def full(*_):
        raise fault

    monkeypatch.setattr(members, "write_file", full)
    with pytest.raises(type(fault), match="stop"):
        unpack(put(make(("a", b"1"))), tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]
