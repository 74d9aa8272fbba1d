"""Weights from elsewhere, brought to where training finds them: `model.safetensors`, and what is known of them."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sprout.config.validate import close
from sprout.data.sources.manifest import checksums
from sprout.data.sources.transfer import bring, shown
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import write_json

if TYPE_CHECKING:
    from torch import Tensor

TORCHVISION = "torchvision:"
SUFFIXES = (".safetensors", ".pth", ".pt")


def bring_pretrained(folder: Path, parts: Path, *, source: str | None, sha256: str | None) -> None:
    """Bring the weights to a folder, with `pretrained.json`, which says where they come from.

    Args:
        folder: an empty folder.
        parts: a folder for what has come of a download so far.
        source: see `settings.pretrained.Pretrained`; None brings none.
        sha256: of the file.

    Raises:
        UserError: they cannot be had, are others than expected, or no weights.
    """
    if source is None:
        write_json(folder / "pretrained.json", None)
        return
    if source.startswith(TORCHVISION):
        write_weights(folder, torchvision_weights(source.removeprefix(TORCHVISION)))
    else:
        file, card = model_files(source)
        bring_file(folder, parts, file, source, sha256)
        if card is not None:
            shutil.copyfile(card, folder / "model.json")
    (weights,) = checksums([folder / "model.safetensors"])
    write_json(folder / "pretrained.json", {"source": shown(source), "sha256": sha256, "weights": weights})


def model_files(source: str) -> tuple[str, Path | None]:
    """The file with the weights, and the model's card where the source is a model folder.

    A relative path is one in the main workspace, also where DVC builds in a copy of it, which lacks models kept there.
    """
    if "://" in source or source.startswith("file:"):
        place = source
    else:
        folder = Path(os.environ.get("DVC_ROOT", ".")) / Path(source).expanduser()
        if folder.is_dir():
            return weights_in(folder, source)
        place = str(folder)
    if not place.partition("?")[0].endswith(SUFFIXES):
        raise UserError(
            f"pretrained.source={shown(source)}: neither a model folder nor a {', '.join(SUFFIXES)} file; accepted "
            f"too: {TORCHVISION}NAME"
        )
    return place, None


def weights_in(folder: Path, source: str) -> tuple[str, Path | None]:
    """The two files of a model folder; the card may be missing."""
    weights, card = folder / "model.safetensors", folder / "model.json"
    if not weights.is_file():
        raise UserError(f"pretrained.source={source}: holds no model.safetensors; give a model folder, or a file")
    return str(weights), card if card.is_file() else None


def bring_file(folder: Path, parts: Path, place: str, source: str, sha256: str | None) -> None:
    """Bring a file that is known by its checksum; where none is given, say which one it has."""
    path = folder / ("model.safetensors" if place.partition("?")[0].endswith(".safetensors") else "weights.pth")
    advice = "set pretrained.source to where the weights are, or pretrained.sha256 to the checksum of the right ones"
    found = bring("pretrained weights", [place], path, parts=parts, digest=sha256, advice=advice)
    if sha256 is None:
        raise UserError(
            f"pretrained.sha256=null: weights are known by their checksum; the file that {shown(source)} gives has "
            f"{found}: if it is the right one, set pretrained.sha256={found}"
        )
    if path.suffix == ".safetensors":
        check_safetensors(path, source)
    else:
        write_weights(folder, unpacked(path, source))
        path.unlink()


def check_safetensors(path: Path, source: str) -> None:
    """Check that a file is whole by what its head says; the tensors are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(f"pretrained.source={shown(source)}: is no safetensors file ({one_line(error)})") from None


def unpacked(path: Path, source: str) -> "dict[str, Tensor]":
    """The tensors of a file that torch has written; nothing else is taken out of it."""
    from sprout.models.weights.files import read_tensors

    try:
        return read_tensors(path)
    except ValueError as error:
        raise UserError(f"pretrained.source={shown(source)}: {error}") from None


def write_weights(folder: Path, weights: "dict[str, Tensor]") -> None:
    """Write them, by torch, which is not imported where a finished file is only copied."""
    from sprout.models.weights.files import save_tensors

    save_tensors(folder / "model.safetensors", weights)


def torchvision_weights(name: str) -> "dict[str, Tensor]":
    """Torchvision's best weights of a network, out of torchvision's cache, checked by the sum in the file's name.

    They pass through the network itself, which knows the older names that some files give to its tensors.

    Raises:
        UserError: there is no such network, or its weights cannot be fetched.
    """
    from torchvision import models

    from sprout.models.weights.torchvision import UnreachableError, fetched, read_weights, taken_for

    known = models.list_models(module=models)
    if name not in known:
        near = close(name, known)
        raise UserError(f"pretrained.source={TORCHVISION}{name}: unknown{near}; accepted: {', '.join(known)}")
    published = models.get_model_weights(name).DEFAULT
    try:
        file = fetched(published.url, "give its path as pretrained.source, with pretrained.sha256")
    except UnreachableError as error:
        raise UserError(f"pretrained.source={TORCHVISION}{name}: {error}") from None
    with taken_for(published, read_weights(file)):
        weights: dict[str, Tensor] = models.get_model(name, weights=published).state_dict()
    return weights
