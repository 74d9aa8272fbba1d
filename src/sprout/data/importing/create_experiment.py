"""Create an experiment from a user's data: link the files and write the configs, completely or not at all."""

from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from sprout.config.download import Local
from sprout.config.overrides import parse_override
from sprout.data.formats import is_unpacked
from sprout.data.importing.draft import Draft
from sprout.data.importing.link_files import FileSet, files_to_link, is_linked, link_files
from sprout.data.importing.user_data import UserData
from sprout.data.sources.local import SOURCE
from sprout.runtime.errors import UserError, printable
from sprout.runtime.files import atomic_write

RESERVED_ENDINGS = (".tmp-new", ".tmp-old", ".yaml")
"""The first two mark folders that are being written; Hydra drops `.yaml`."""

SHOWN = 20


def refuse_name(name: str) -> None:
    """Refuse what cannot be the name of an experiment.

    Raises:
        UserError: it has other characters, a reserved ending, or reads as a number or the like in a config.
    """
    pattern = Local.__annotations__["name"]
    try:
        TypeAdapter(pattern).validate_python(name)
    except ValidationError:
        raise UserError(
            f"NAME={name}: accepted are up to 100 letters (a-z, A-Z), digits, `_`, `.` and `-`, a letter or digit first"
        ) from None
    if name.endswith(RESERVED_ENDINGS):
        raise UserError(f"NAME={name}: a name must not end with {name[name.rindex('.') :]}")
    if yaml.safe_load(name) != name or parse_override(f"experiment={name}").value() != name:
        raise UserError(f"NAME={name}: a config would not read this as text; begin it with a letter")


def refuse_taken(conf: Path, name: str, path: Path) -> None:
    """Refuse a name that is in use, before the data is read.

    Raises:
        UserError: there is such an experiment, or such a config of data that no interrupted attempt has left.
    """
    folder, download = SOURCE / name, conf / "download" / f"{name}.yaml"
    for taken in (conf / "experiment" / f"{name}.yaml", *([] if folder.is_dir() else [download])):
        if taken.exists():
            raise UserError(f"NAME={name}: {taken} already exists; choose another name{or_remove(conf, name)}")
    if SOURCE.resolve().is_relative_to(path.resolve()):
        raise UserError(f"{path}: contains {SOURCE}, where data is copied to; name a folder outside this project")


def or_remove(conf: Path, name: str) -> str:
    """Return what could be removed instead, where the name belongs to the user's own data."""
    own = [SOURCE / name, conf / "download" / f"{name}.yaml", conf / "experiment" / f"{name}.yaml"]
    return f", or remove {', '.join(str(path) for path in own if path.exists())}" if own[0].is_dir() else ""


def create_experiment(conf: Path, draft: Draft, data: UserData) -> FileSet:
    """Link the data and write its config files; an interrupted attempt is completed.

    Returns:
        the files that were linked, and those that were left out.

    Raises:
        UserError: the name is in use by other data.
    """
    folder = SOURCE / draft.name
    chosen = files_to_link(data.detected, data.listing)
    refuse_other_data(conf, draft, chosen, data.detected.path)
    if not folder.exists():
        link_files(chosen, folder)
    elif is_in_place(folder, data.detected.path):
        chosen = replace(chosen, left_out={})
    for path, text in draft.files.items():
        with atomic_write(conf / path) as beside:
            beside.write_text(text, encoding="utf-8")
    return chosen


def left_out_by_new(data: UserData) -> dict[str, str]:
    """Return what `sprout new` leaves out, with the reasons; nothing of data that already lies in `data/source`."""
    in_place = data.detected.path.resolve().is_relative_to(SOURCE.resolve())
    return {} if in_place else files_to_link(data.detected, data.listing).left_out


def refuse_other_data(conf: Path, draft: Draft, chosen: FileSet, path: Path) -> None:
    """Refuse to mix with existing files, unless they are the data itself or left by an interrupted attempt."""
    folder, download = SOURCE / draft.name, f"download/{draft.name}.yaml"
    if folder.exists() and not is_in_place(folder, path) and not is_linked(chosen, folder):
        raise UserError(
            f"NAME={draft.name}: {folder} contains other data than {path}; choose another name, or remove it"
        )
    if (conf / download).exists() and (conf / download).read_text(encoding="utf-8") != draft.files[download]:
        raise UserError(f"NAME={draft.name}: {conf / download} already exists; choose another name")


def is_in_place(folder: Path, path: Path) -> bool:
    """Whether the data already lies in the folder that it would be linked to.

    Raises:
        UserError: it does, but is an archive beside other files, which would not be unpacked there.
    """
    place = folder.resolve()
    if path.is_file() and path.resolve().parent == place:
        if is_unpacked(path) and len(list(folder.iterdir())) > 1:
            raise UserError(f"{path}: an archive beside other files is not unpacked; keep it alone in {folder}")
        return True
    return path.resolve() == place


def result_lines(draft: Draft, chosen: FileSet) -> list[str]:
    """Return what was done and what to do next."""
    left_out = [f"left out: {printable(path)}: {why}" for path, why in chosen.left_out.items()]
    return [
        *left_out[:SHOWN],
        *([f"and {len(left_out) - SHOWN:,} more"] if len(left_out) > SHOWN else []),
        f"data: {SOURCE / draft.name}",
        f"settings: {', '.join(f'conf/{path}' for path in draft.files)}",
        f"splits: {draft.splits}",
        f"the model {draft.learns}",
        f"build it: {draft.command}",
    ]
