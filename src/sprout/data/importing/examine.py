"""A person's data, looked at from all sides; nothing is written but in a scratch folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sprout.config import validate, workspace
from sprout.config.prepare import Prepare
from sprout.data.formats import read_form
from sprout.data.importing.look import Look, look
from sprout.data.importing.recognise import Found, recognise
from sprout.data.sources.listing import Listing
from sprout.runtime.errors import UserError


@dataclass(frozen=True)
class Examined:
    """Data that can be read."""

    found: Found
    listing: Listing
    seen: Look


@contextmanager
def examined(conf: Path, path: Path, target: str | None = None) -> Iterator[Examined]:
    """Read the data and look at every example; what an archive held is gone when the block ends.

    Args:
        conf: the folder of config groups, whose section `prepare` says how large an image may be.
        path: the data.
        target: the column of a table to learn; None chooses one.

    Raises:
        UserError: there is no data, or it is in no form that is known.
    """
    default = validate.section("prepare", workspace.read_yaml(conf / "prepare" / "default.yaml"), Prepare)
    with TemporaryDirectory(prefix="sprout-") as folder:
        scratch = Path(folder)
        (arrays := scratch / "arrays").mkdir()
        found = recognise(path, scratch, target)
        listing = read_form(found.root, arrays, **found.form)
        yield Examined(found, listing, look(listing, default.max_pixels))


def refuse_nothing(data: Examined) -> None:
    """Refuse data without one sound example.

    Raises:
        UserError: there is none.
    """
    if len(data.seen.sound):
        return
    if not len(data.listing):
        raise UserError(f"{data.found.path}: no examples here")
    row = min(data.seen.faults)
    raise UserError(
        f"{data.found.path}: not one of {len(data.listing):,} examples can be used; the first is "
        f"{data.listing.origin[row]}: {data.seen.faults[row]}"
    )
