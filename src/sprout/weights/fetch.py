"""Weights to start from, fetched from a file, an address, a model folder or torchvision as `model.safetensors`."""

import shutil
from pathlib import Path

from safetensors import SafetensorError, safe_open

from sprout.config.pretrained import STORED, TORCHVISION
from sprout.data.manifest import checksums
from sprout.data.sources.transfer import UnreachableError, fetch_file
from sprout.runtime.checksums import check_sums, write_sums
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.files import write_json
from sprout.runtime.model_folder import CARD, WEIGHTS
from sprout.runtime.secrets import hidden
from sprout.runtime.workspace import main_workspace
from sprout.weights.published import build_network, cached_file, published_weights
from sprout.weights.tensor_file import load_tensors, save_tensors

SUFFIXES = (".safetensors", ".pth", ".pt")


def fetch_pretrained(source: str, folder: Path, partial: Path, *, sha256: str | None) -> None:
    """Fetch weights to a folder, with `pretrained.json`, which says where they come from.

    Args:
        source: see `config.pretrained.Pretrained`.
        folder: an empty folder.
        partial: a folder for incomplete downloads.
        sha256: the checksum of the file; None for torchvision, which knows its own.

    Raises:
        UserError: the weights cannot be fetched, or are not the expected ones.
    """
    weights = folder / WEIGHTS
    if source.startswith(TORCHVISION):
        fetch_published(weights, source)
    elif source.startswith(STORED):
        from sprout.tracking.registry.stored import stored_model  # here, as it imports MLflow, which takes seconds

        with stored_model(source) as (model, _):
            fetch_files(folder, partial, str(model), source, sha256)
    else:
        fetch_files(folder, partial, source, source, sha256)
    (found,) = checksums([weights])
    write_json(folder / "pretrained.json", {"source": hidden(source), "sha256": sha256, "weights": found})


def fetch_files(folder: Path, partial: Path, place: str, source: str, sha256: str | None) -> None:
    """Fetch the weights of a file, an address or a model folder, with the card that the latter may have.

    Args:
        folder: as of `fetch_pretrained`, like `partial` and `sha256`.
        partial: for incomplete downloads.
        place: where the weights are.
        source: how the setting names them.
        sha256: the checksum of the file.
    """
    file, card = model_files(place)
    if card is not None:
        check_sums(card.parent, [CARD, WEIGHTS], "take the model folder anew from where it was trained")
    fetch_weights(folder / WEIGHTS, partial, file, hidden(source), sha256)
    if card is not None:
        shutil.copyfile(card, folder / CARD)
        write_sums(folder, [CARD, WEIGHTS])


def model_files(source: str) -> tuple[str, Path | None]:
    """Return the file with the weights, and the model card if the source is a model folder that has one.

    A relative path is in the main workspace, also when DVC builds in a copy of it without the models kept there.

    Raises:
        UserError: the source is neither a model folder nor a file of weights.
    """
    if "://" in source or source.startswith("file:"):
        file = source
    else:
        path = main_workspace() / Path(source).expanduser()
        if path.is_dir():
            weights, card = path / WEIGHTS, path / CARD
            if not weights.is_file():
                raise UserError(f"pretrained.source={source}: no {WEIGHTS} in it; give a model folder, or a file")
            return str(weights), card if card.is_file() else None
        file = str(path)
    if not file.partition("?")[0].endswith(SUFFIXES):
        raise UserError(
            f"pretrained.source={hidden(source)}: neither a model folder nor a {', '.join(SUFFIXES)} file; accepted "
            f"too: {TORCHVISION}NAME"
        )
    return file, None


def fetch_weights(path: Path, partial: Path, file: str, source: str, sha256: str | None) -> None:
    """Fetch a file of weights, verify its checksum, and write it as safetensors.

    Raises:
        UserError: it cannot be fetched, has no weights, or no checksum is set; the message says which one it has.
    """
    download = path if file.partition("?")[0].endswith(".safetensors") else path.with_name("weights.pth")
    advice = "set pretrained.source to where the weights are, or pretrained.sha256 to the checksum of the right ones"
    found = fetch_file("weights", [file], download, partial=partial, checksum=sha256, advice=advice)
    if sha256 is None:
        raise UserError(
            f"pretrained.sha256=null: weights need a checksum; that of the file from {source} is {found}: if it is the "
            f"right file, set pretrained.sha256={found}"
        )
    if download == path:
        check_safetensors(path, source)
        return
    save_tensors(path, load_tensors(download, f"pretrained.source={source}"))
    download.unlink()


def check_safetensors(path: Path, source: str) -> None:
    """Check that a file is complete, by its header alone.

    Raises:
        UserError: it is damaged, or not a safetensors file.
    """
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(f"pretrained.source={source}: not a safetensors file ({one_line(error)})") from None


def fetch_published(path: Path, source: str) -> None:
    """Write torchvision's best weights of a network, with the names that the network has for its tensors.

    Raises:
        UserError: there is no such network, or its weights cannot be downloaded.
    """
    setting, name = f"pretrained.source={source}", source.removeprefix(TORCHVISION)
    published = published_weights(name, setting)
    try:
        file = cached_file(published.url, "give its path as pretrained.source, with pretrained.sha256")
    except UnreachableError as error:
        raise UserError(f"{setting}: {error}") from None
    save_tensors(path, build_network(name, published, load_tensors(file, setting), setting).state_dict())
