"""Networks of torchvision with the weights published for them, in torchvision's own cache and without unpickling."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import WeightsEnum

from sprout.config.validate import close
from sprout.data.manifest import checksums
from sprout.data.sources.transfer import fetch_file
from sprout.runtime.errors import UserError, one_line

CHECKSUM = re.compile(r"-([0-9a-f]{8,})\.")
"""The beginning of a file's SHA-256, in its name."""


def published_weights(name: str, setting: str) -> WeightsEnum:
    """Return torchvision's best weights of a classification network.

    Args:
        name: the network.
        setting: how it was named, for the message.

    Raises:
        UserError: there is no such network.
    """
    known = models.list_models(module=models)
    if name not in known:
        raise UserError(
            f"{setting}: torchvision has no such classification network{close(name, known)}; accepted: "
            f"{', '.join(known)}"
        )
    return models.get_model_weights(name).DEFAULT


def cached_file(url: str, advice: str) -> Path:
    """Return the file of a URL in torchvision's cache, downloading it if it is missing.

    Args:
        url: its last component contains the beginning of the file's SHA-256.
        advice: what to do with a file that was downloaded by hand.

    Raises:
        UnreachableError: it cannot be downloaded, or is not the expected file.
        UserError: the file in the cache is not the expected one.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(url).name
    match = CHECKSUM.search(path.name)
    expected = match[1] if match else None
    if not path.exists():
        advice = f"download it elsewhere and {advice}"
        fetch_file(path.name, [url], path, partial=path.parent, checksum=expected, advice=advice)
        return path
    (found,) = checksums([path])
    if expected and not found.startswith(expected):
        raise UserError(f"{path}: SHA-256 {found}, expected one that begins with {expected}; remove the file")
    return path


def build_network(name: str, published: WeightsEnum, weights: dict[str, Tensor], what: str) -> nn.Module:
    """Build a network of torchvision with weights, in evaluation mode.

    A network is built in another way for its published weights: Inception transforms its input, vision transformers
    have another size, DenseNet renames older tensors.

    Args:
        name: the network.
        published: its published weights, which decide how it is built.
        weights: its state dict.
        what: where the weights come from, for the message.

    Raises:
        UserError: the weights are those of another network.
    """
    try:
        with replaced_weights(published, weights):
            network: nn.Module = models.get_model(name, weights=published)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{what}: not the weights of torchvision's {name} ({one_line(error)[:300]})") from None
    return network.eval()


@contextmanager
def replaced_weights(published: WeightsEnum, weights: dict[str, Tensor]) -> Iterator[None]:
    """Let torchvision take these tensors for the published ones, which it would download and unpickle."""
    published.get_state_dict = lambda *_, **__: weights
    try:
        yield
    finally:
        del published.get_state_dict
