"""From a person's data to an experiment of this project: all of it, or nothing."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from sprout.config.compose import parse_override
from sprout.config.download import Local
from sprout.data.importing.bring import Load, bring, is_brought, load_of
from sprout.data.importing.draft import Draft
from sprout.data.importing.examine import Examined
from sprout.data.sources.files import is_packed
from sprout.data.sources.local import SOURCE
from sprout.runtime.errors import UserError, printable
from sprout.runtime.files import atomic_write

BESIDE = (".tmp-new", ".tmp-old", ".yaml")
"""What a name may not end with: a folder of such a name is one that is being made, and Hydra drops `.yaml`."""

SHOWN = 20


def refuse_name(name: str) -> None:
    """Refuse what cannot be the name of an experiment.

    Raises:
        UserError: it has other characters, or reads as a number or the like in a config.
    """
    pattern = Local.__annotations__["name"]
    try:
        TypeAdapter(pattern).validate_python(name)
    except ValidationError:
        raise UserError(
            f"NAME={name}: accepted are up to 100 letters, digits, `_`, `.` and `-`, a letter or digit first"
        ) from None
    if name.endswith(BESIDE):
        raise UserError(f"NAME={name}: a name may not end with {name[name.rindex('.') :]}")
    if yaml.safe_load(name) != name or parse_override(f"experiment={name}").value() != name:
        raise UserError(f"NAME={name}: a config would not read this as a text; begin it with a letter")


def refuse_taken(conf: Path, name: str, path: Path) -> None:
    """Refuse a name that is in use, before the data is looked at.

    Raises:
        UserError: there is such an experiment, or such a choice of data that an earlier attempt did not leave.
    """
    folder, download = SOURCE / name, conf / "download" / f"{name}.yaml"
    for taken in (conf / "experiment" / f"{name}.yaml", *([] if folder.is_dir() else [download])):
        if taken.exists():
            raise UserError(f"NAME={name}: {taken} is there already; choose another name{or_remove(conf, name)}")
    if SOURCE.resolve().is_relative_to(path.resolve()):
        raise UserError(f"{path}: holds {SOURCE}, where data is brought to; name a folder outside this project")


def or_remove(conf: Path, name: str) -> str:
    """What could be removed instead, where the name is that of one's own data."""
    mine = [SOURCE / name, conf / "download" / f"{name}.yaml", conf / "experiment" / f"{name}.yaml"]
    return f", or remove {', '.join(str(path) for path in mine if path.exists())}" if mine[0].is_dir() else ""


def write_experiment(conf: Path, draft: Draft, data: Examined) -> Load:
    """Bring the data and write its config files; an earlier attempt that was killed is taken up.

    Returns:
        what was to be brought.

    Raises:
        UserError: the name is in use by other data.
    """
    folder = SOURCE / draft.name
    load = load_of(data.found, data.listing)
    refuse_other(conf, draft, load, data.found.path)
    if not folder.exists():
        bring(load, folder)
    for path, text in draft.files.items():
        with atomic_write(conf / path) as beside:
            beside.write_text(text, encoding="utf-8")
    return load


def refuse_other(conf: Path, draft: Draft, load: Load, path: Path) -> None:
    """Refuse to mix with what is there, unless it is the data itself or what an earlier attempt left."""
    folder, download = SOURCE / draft.name, f"download/{draft.name}.yaml"
    if folder.exists() and not is_own_place(folder, path) and not is_brought(load, folder):
        raise UserError(f"NAME={draft.name}: {folder} holds other data than {path}; choose another name, or remove it")
    if (conf / download).exists() and (conf / download).read_text(encoding="utf-8") != draft.files[download]:
        raise UserError(f"NAME={draft.name}: {conf / download} is there already; choose another name")


def is_own_place(folder: Path, path: Path) -> bool:
    """Whether the data lies where it would be brought to.

    Raises:
        UserError: it does, but is an archive beside other files, which would not be unpacked there.
    """
    place = folder.resolve()
    if path.is_file() and path.resolve().parent == place:
        if is_packed(path) and len(list(folder.iterdir())) > 1:
            raise UserError(f"{path}: an archive beside other files is not unpacked; let it be alone in {folder}")
        return True
    return path.resolve() == place


def said(draft: Draft, load: Load, overrides: Sequence[str]) -> list[str]:
    """What was done, and what to do next; overrides of `params.yaml` are for another experiment."""
    left = [f"left out: {printable(path)}: {why}" for path, why in load.left_out.items()]
    return [
        *left[:SHOWN],
        *([f"and {len(left) - SHOWN:,} more"] if len(left) > SHOWN else []),
        f"data: {SOURCE / draft.name}",
        f"settings: {', '.join(f'conf/{path}' for path in draft.files)}",
        f"the model {draft.learns}",
        f"build it: {draft.command}" + (" -S 'overrides=[]'" if overrides else ""),
    ]
