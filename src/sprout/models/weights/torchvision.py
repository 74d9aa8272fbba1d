"""The weights of torchvision's networks: fetched to where torchvision looks for them, read without unpickling."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from sprout.data.sources import http
from sprout.data.sources.manifest import checksums
from sprout.data.sources.part import FailedError, forget
from sprout.models.weights.files import SUFFIXES, read_tensors
from sprout.runtime.errors import UserError, one_line

PUBLISHED = re.compile(r"-([0-9a-f]{8,})\.")
"""The beginning of a file's SHA-256, in its name."""


class UnreachableError(Exception):
    """Weights cannot be fetched; says from where, and what to do."""


def read_weights(file: Path) -> dict[str, Tensor]:
    """A state dict: tensors by their names.

    Raises:
        UserError: the file is none.
    """
    if file.suffix not in SUFFIXES:
        raise UserError(f"{file}: not a file of weights; accepted: {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise UserError(f"{file}: no such file; give --weights one with a state dict")
    try:
        return read_tensors(file)
    except ValueError as error:
        raise UserError(f"{file}: {error}") from None


def fetched(url: str, otherwise: str = "give it with --weights FILE") -> Path:
    """The file of a URL in torchvision's own cache, fetched if it is not there.

    Args:
        url: whose last part ends in the beginning of the file's SHA-256.
        otherwise: what to do with the file when it has been fetched by hand.

    Raises:
        UnreachableError: it cannot be fetched.
        UserError: the file in the cache is another one.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(url).name
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            http.fetch(url, part, name=path.name, checked=True)
        except (FailedError, OSError) as error:
            raise UnreachableError(
                f"{url}: cannot be fetched ({one_line(error)}); fetch it elsewhere and {otherwise}"
            ) from None
        if fault := checksum_fault(part, path.name):
            forget(part)
            raise UnreachableError(f"{url}: gave another file ({fault}); fetch it elsewhere and {otherwise}")
        part.rename(path)
        forget(part)
    elif fault := checksum_fault(path, path.name):
        raise UserError(f"{path}: {fault}; remove it, and it is fetched anew")
    return path


def checksum_fault(file: Path, name: str) -> str | None:
    """What is wrong with a file whose name tells how its SHA-256 begins."""
    (found,) = checksums([file])
    told = PUBLISHED.search(name)
    if told and not found.startswith(told[1]):
        return f"its SHA-256 begins with {found[: len(told[1])]}, not {told[1]}"
    return None


@contextmanager
def taken_for(published: Any, weights: dict[str, Tensor]) -> Iterator[None]:
    """While the block runs, torchvision takes these tensors for the published ones.

    A network is built in other ways where it has weights: Inception transforms its input, vision transformers have
    another size, DenseNet renames its tensors. Torchvision would also unpickle what it loads.
    """
    published.get_state_dict = lambda *_, **__: weights
    try:
        yield
    finally:
        del published.get_state_dict
