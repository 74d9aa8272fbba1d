"""Overrides in Hydra's grammar: parsed, checked, and what was meant by one that does not work."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from sprout.config.tree import lookup
from sprout.config.validate import UnknownKeyError, written
from sprout.config.workspace import read_yaml
from sprout.runtime.errors import UserError
from sprout.runtime.secrets import STARS, hidden, is_secret_name
from sprout.runtime.workspace import left_behind

MergedFiles = list[tuple[str, str]]
"""Files of `conf/` without `.yaml`, with the keys that they set."""


def choices(conf: Path, group: str) -> list[str]:
    """Return the names of the files of a config group."""
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def parse_override(text: str) -> Override:
    """Parse an override string.

    Raises:
        UserError: it is not an override, or has several values, such as `train.lr=1,2`.
    """
    given = written(shown(text))
    try:
        override = OverridesParser.create().parse_override(text)
    except (HydraException, ValueError):
        override = None
    if override is None or not override.key_or_group:
        raise UserError(
            f"override {given}: not of the form section.key=value (put a string with special characters in "
            "quotes, as in Hydra)"
        )
    if override.is_sweep_override():
        raise UserError(
            f"override {given}: several values, but a build takes one (put a string with a comma in quotes)"
        )
    return override


def shown(text: str) -> str:
    """Return an override for a message: without its value where that is a secret."""
    key, sign, _ = text.partition("=")
    return f"{key}{sign}{STARS}" if sign and is_secret_name(key.rpartition(".")[2]) else hidden(text)


def input_line(override: Override) -> str:
    """Return the override as the user wrote it."""
    return str(override.input_line)


def key_of(override: Override) -> str:
    """Return the key of an override: `train.lr`, a group, or `group@package`."""
    return str(override.get_key_element()).lstrip("+~")


def picks_file(conf: Path, override: Override) -> bool:
    """Return whether an override chooses the file of a config group; a dictionary sets values instead."""
    return (conf / override.key_or_group).is_dir() and not isinstance(override.value(), dict)


def hydra_line(conf: Path, override: Override) -> str:
    """Return the override for Hydra. Any key may be added, because the sections check their own keys.

    Raises:
        UserError: there is no such group or choice, or this is one of Hydra's own settings.
    """
    key, text = key_of(override), str(override.input_line)
    if key.replace("/", ".").split(".")[0] == "hydra":
        raise UserError(f"{text}: Hydra's own settings have no effect here; remove it")
    if picks_file(conf, override):
        names = choices(conf, override.key_or_group)
        if override.value() not in names and not override.is_delete():
            more = left_behind(conf / override.key_or_group / f"{override.value()}.yaml")
            more = more or f"; accepted: {', '.join(names)}"
            raise UserError(f"{key}={written(override.value())}: no such choice{more}")
        return text
    if "/" in override.key_or_group and not (conf / override.key_or_group).is_dir():
        dotted = f"{override.key_or_group.replace('/', '.')}={written(override.value())}"
        raise UserError(f"{text}: there is no folder {conf / override.key_or_group}; to set a value write {dotted}")
    return text if text[0] in "+~" or "@" in key else f"++{text}"


def explained(
    error: UserError, conf: Path, overrides: Sequence[Override], files: Callable[[], MergedFiles]
) -> UserError:
    """Return how an override is written that chooses a file by a value, or removes a setting; else the same error.

    Args:
        error: of the composed config.
        conf: the folder of config groups.
        overrides: those of the config.
        files: returns the files that Hydra merges.
    """
    for override in reversed(overrides):
        key, text = key_of(override), str(override.input_line)
        if override.is_delete() and str(error).startswith(f"{key}: is missing"):
            return UserError(f"{text}: a config has every setting; write {key}=null where it accepts that, or a value")
        if str(error).startswith(f"{key}={written(override.value())}: should be a section"):
            group, chosen = group_of(key, files())
            if group:
                names = choices(conf, group)
                value = override.value() if override.value() in names else "NAME"
                return UserError(f"{text}: {key} is a section; write {chosen}={value}; there are {', '.join(names)}")
    return error


def of_experiment(error: UserError, conf: Path, experiment: str, overrides: Sequence[Override]) -> UserError | None:
    """Return what is said where the experiment's file sets keys that the choice of an override does not have.

    None where it is something else.

    Args:
        error: of the composed config.
        conf: the folder of config groups.
        experiment: the name of its file.
        overrides: those of the config.
    """
    if not isinstance(error, UnknownKeyError):
        return None
    section, file = error.key.rpartition(".")[0], conf / "experiment" / f"{experiment}.yaml"
    chosen = [
        o for o in overrides if picks_file(conf, o) and covers(key_of(o).split("@")[-1].replace("/", "."), section)
    ]
    values = lookup(read_yaml(file), section)
    given = [f"{section}.{key}" for key in values if key not in error.known] if isinstance(values, Mapping) else []
    if not chosen or error.key not in given:
        return None
    text, choice = input_line(chosen[-1]), chosen[-1].value()
    return UserError(
        f"{text}: {file} sets {', '.join(given)}, which {choice} does not have; to leave "
        f"{'it' if len(given) == 1 else 'them'} out, add the override{'s' if len(given) > 1 else ''} "
        f"{', '.join(f'~{key}' for key in given)}, or write an experiment of your own; accepted: "
        f"{', '.join(f'{section}.{key}' for key in error.known)}"
    )


def covers(package: str, section: str) -> bool:
    """Return whether a section is that of a package, or lies in it."""
    return f"{section}.".startswith(f"{package}.")


def group_of(key: str, files: MergedFiles) -> tuple[str | None, str]:
    """Return the config group of a section such as train.optimizer, and the override's key that chooses its file."""
    for section, plus in ((key, ""), (key.removeprefix("re"), "+")):  # retrain has what train has, or its own
        for path, package in files:
            if package == section:
                group = path.rpartition("/")[0]
                return group, group if group.replace("/", ".") == key else f"{plus}{group}@{key}"
    return None, key
