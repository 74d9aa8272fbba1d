"""Weights from elsewhere, brought to where training finds them: `model.safetensors`, and what is known of them."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sprout.core.errors import UserError, one_line
from sprout.core.records import write_json
from sprout.core.validate import close
from sprout.sources.manifest import checksums
from sprout.sources.transfer import bring

if TYPE_CHECKING:
    from torch import Tensor

TORCHVISION = "torchvision:"
SUFFIXES = (".safetensors", ".pth", ".pt")


def bring_pretrained(folder: Path, parts: Path, *, source: str | None, sha256: str | None, **unfreezing: Any) -> None:
    """Bring the weights to a folder, with `pretrained.json`, which says where they come from.

    Args:
        folder: an empty folder.
        parts: a folder for what has come of a download so far.
        source: see `settings.pretrained.Pretrained`; None brings none.
        sha256: of the file.
        unfreezing: further settings, which are about training.

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
        bring_file(folder, parts, file, sha256)
        if card is not None:
            shutil.copyfile(card, folder / "model.json")
    (weights,) = checksums([folder / "model.safetensors"])
    write_json(folder / "pretrained.json", {"source": source, "weights": weights})


def model_files(source: str) -> tuple[str, Path | None]:
    """The file with the weights, and the model's card where the source is a model folder."""
    folder = Path(source)
    if not folder.is_dir():
        if not source.partition("?")[0].endswith(SUFFIXES):
            raise UserError(
                f"pretrained.source={source}: neither a model folder nor a {', '.join(SUFFIXES)} file; accepted too: "
                f"{TORCHVISION}NAME"
            )
        return source, None
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"pretrained.source={source}: holds no model.safetensors; give a model folder, or a file")
    card = folder / "model.json"
    return str(folder / "model.safetensors"), card if card.is_file() else None


def bring_file(folder: Path, parts: Path, source: str, sha256: str | None) -> None:
    """Bring a file that is known by its checksum."""
    if sha256 is None:
        said = ""
        if Path(source).is_file():
            (found,) = checksums([Path(source)])
            said = f"; this file's is {found}"
        raise UserError(f"pretrained.sha256=null: {source} needs its SHA-256, by which the weights are known{said}")
    name = "model.safetensors" if source.partition("?")[0].endswith(".safetensors") else "weights.pth"
    advice = "set pretrained.source to where the weights are, or pretrained.sha256 to the checksum of the right ones"
    bring("pretrained weights", [source], folder / name, parts=parts, digest=sha256, advice=advice)
    if name == "weights.pth":
        write_weights(folder, unpacked(folder / name, source))
        (folder / name).unlink()


def unpacked(path: Path, source: str) -> "dict[str, Tensor]":
    """The tensors of a file that torch has written; nothing else is taken out of it."""
    import torch

    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file that is none makes torch raise
        raise UserError(f"pretrained.source={source}: holds no weights alone ({one_line(error)[:200]})") from None
    if not isinstance(held, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in held.values()):
        raise UserError(f"pretrained.source={source}: is no state dict, tensors by their names; save just that")
    return held


def write_weights(folder: Path, weights: "dict[str, Tensor]") -> None:
    """Write them, each tensor by itself."""
    import torch
    from safetensors.torch import save_file

    own = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in weights.items()}
    save_file(own, folder / "model.safetensors")


def torchvision_weights(name: str) -> "dict[str, Tensor]":
    """Torchvision's best weights of a network, out of its own hub, which checks them.

    Raises:
        UserError: there is no such network.
        OSError: they cannot be fetched.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        near = close(name, known)
        raise UserError(f"pretrained.source={TORCHVISION}{name}: unknown{near}; accepted: {', '.join(known)}")
    weights = models.get_model_weights(name).DEFAULT
    try:
        found: dict[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        raise UserError(
            f"pretrained.source={TORCHVISION}{name}: {weights.url} cannot be fetched ({one_line(error)}); fetch it by "
            "hand and give its path, and its SHA-256"
        ) from None
    return found
