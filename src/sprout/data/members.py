"""Files in uncompressed archives: each is read by its place there, neighbours by one request."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sprout.data.stored_file import Stored

TOGETHER, GAP = 16 << 20, 256 << 10
"""Members of an archive are read by one request up to so many bytes, with so many unused ones between two."""
MARK = "\0"
"""Between the parts of what names a member; no path has it."""


class Member(NamedTuple):
    """A file in an uncompressed archive, by its place there."""

    archive: Stored
    start: int
    stop: int


def member_name(archive: str, offset: int, length: int) -> str:
    """Return what names a member of an archive."""
    return MARK.join((archive, str(offset), str(length)))


def member_of(place: str, name: str) -> Member:
    """Return the member of a name, to which the stamp of its archive has been added."""
    archive, offset, length, stamp = name.split(MARK)
    return Member(Stored(place, archive, stamp), int(offset), int(offset) + int(length))


def member_bytes(place: str, names: Iterable[str]) -> Iterator[bytes]:
    """Yield the bytes of members, those that lie close together by one request.

    Raises:
        UserError: an archive is another one by now, or cannot be read.
    """
    group: list[Member] = []
    for name in names:
        member = member_of(place, name)
        if group and not joins(group, member):
            yield from taken(group)
            group = []
        group.append(member)
    yield from taken(group)


def joins(group: list[Member], member: Member) -> bool:
    """Whether a member is read together with those before it."""
    first, last = group[0], group[-1]
    gap = member.start - last.stop
    return member.archive == last.archive and 0 <= gap <= GAP and member.stop - first.start <= TOGETHER


def taken(group: list[Member]) -> Iterator[bytes]:
    """Read members that lie close together, and yield the bytes of each."""
    if group:
        start = group[0].start
        data = group[0].archive.read(start, max(each.stop for each in group))
        yield from (data[each.start - start : each.stop - start] for each in group)
