"""From an experiment's name and override strings to one checked, resolved config."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from sprout.config import sections
from sprout.config.cross_checks import check_together
from sprout.config.tree import MISSING, leaves, lookup
from sprout.config.validate import close, written
from sprout.runtime.errors import UserError, one_line

FAULTS = (HydraException, OmegaConfBaseException, yaml.YAMLError, OSError, ValueError, TypeError)


@dataclass(frozen=True)
class Composed:
    """One composed config."""

    experiment: str
    config: dict[str, Any]
    """The resolved values, by section, of all that a build reads."""
    sweep: dict[str, Any]
    """Likewise of the section `sweep`, which no build reads."""
    unresolved: dict[str, Any]
    """The same with its interpolations as they were written."""
    lines: list[str]
    """What Hydra was told: the experiment and the overrides."""
    overrides: list[Override]
    tree: DictConfig
    """What Hydra made of it."""

    @property
    def whole(self) -> dict[str, Any]:
        """All sections."""
        return self.config | {"sweep": self.sweep}

    @property
    def text(self) -> str:
        """The config as YAML; what `build/config.yaml` holds."""
        return str(yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))


def experiments(conf: Path) -> list[str]:
    """The names under `conf/experiment/`.

    Raises:
        UserError: there are none.
    """
    names = choices(conf, "experiment")
    if not names:
        raise UserError(f"{conf}/experiment: no experiments here; run this in the project's folder")
    return names


def choices(conf: Path, group: str) -> list[str]:
    """The files of a config group."""
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def compose_config(conf: Path, experiment: str, overrides: Sequence[str]) -> Composed:
    """Compose and check a config.

    Args:
        conf: the folder of config groups.
        experiment: a file's name under `conf/experiment/`.
        overrides: Hydra override strings, such as `train.lr=0.01`; `++train.lr=0.01` says the same.

    Raises:
        UserError: an unknown experiment, group choice or key, or a value that is not accepted.
    """
    parsed = [parse_override(text) for text in overrides]
    named = [o.value() for o in parsed if key_of(o) == "experiment"]
    wanted, known = (named or [experiment])[-1], experiments(conf)
    if wanted not in known:
        near = close(str(wanted), known)
        raise UserError(f"experiment={written(wanted)}: unknown{near}; there are: {', '.join(known)}")
    experiment = str(wanted)
    rest = [o for o in parsed if key_of(o) != "experiment"]
    lines = [f"experiment={experiment}", *(hydra_line(conf, o) for o in rest)]
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        tree = compose_lines(lines)
    return checked(experiment, tree, lines, parsed)


def with_values(conf: Path, composed: Composed, overrides: Sequence[str]) -> Composed:
    """The config with further overrides, as `compose_config` makes it; without Hydra where none chooses a file.

    Raises:
        UserError: as there.
    """
    parsed = [parse_override(text) for text in overrides]
    if any(picks_file(conf, each) or str(each.input_line)[0] in "+~" for each in parsed):
        return compose_config(conf, composed.experiment, [*map(input_line, composed.overrides), *overrides])
    tree = deepcopy(composed.tree)
    for each in parsed:
        OmegaConf.update(tree, key_of(each), each.value(), force_add=True)
    lines = [*composed.lines, *(hydra_line(conf, each) for each in parsed)]
    return checked(composed.experiment, tree, lines, [*composed.overrides, *parsed])


def checked(experiment: str, tree: DictConfig, lines: list[str], overrides: list[Override]) -> Composed:
    """What Hydra composed, resolved and checked."""
    unresolved = OmegaConf.to_container(tree, resolve=False)
    assert isinstance(unresolved, dict)
    sections.check_names(unresolved)
    config: dict[str, Any] = {"experiment": experiment}
    for name, check in sections.SECTIONS.items():
        config[name] = resolve(tree, name)
        check(name, config[name])
    check_together(config)
    sweep = config.pop("sweep")
    return Composed(experiment, config, sweep, {str(k): v for k, v in unresolved.items()}, lines, overrides, tree)


def compose_open(conf: Path, experiment: str) -> dict[str, Any]:
    """An experiment as it stands: `???` is the value of what its user has to say first, whose section is not checked.

    Raises:
        UserError: a value in another section is not accepted.
    """
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        tree = compose_lines([f"experiment={experiment}"])
    sections.check_names(tree)
    values = {name: resolve(tree, name, throw_on_missing=False) for name in sections.SECTIONS}
    for name, check in sections.SECTIONS.items():
        if "???" not in dict(leaves(values[name])).values():
            check(name, values[name])
    return values


def parse_override(text: str) -> Override:
    """Parse an override string; a sweep such as `train.lr=1,2` is refused, as one build has one value."""
    try:
        override = OverridesParser.create().parse_override(text)
    except (HydraException, ValueError):
        override = None
    if override is None or not override.key_or_group:
        raise UserError(
            f"override {written(text)}: not of the form section.key=value (a text with special characters "
            "stands in quotes, as in Hydra)"
        )
    if override.is_sweep_override():
        raise UserError(
            f"override {written(text)}: several values; one build takes one (quote a text that has a comma)"
        )
    return override


def input_line(override: Override) -> str:
    """The override as it was given."""
    return str(override.input_line)


def key_of(override: Override) -> str:
    """What the override is about: `train.lr`, a group, or `group@package`."""
    return str(override.get_key_element()).lstrip("+~")


def picks_file(conf: Path, override: Override) -> bool:
    """Whether the override chooses the file of a config group; a dictionary sets values instead."""
    return (conf / override.key_or_group).is_dir() and not isinstance(override.value(), dict)


def hydra_line(conf: Path, override: Override) -> str:
    """The override as Hydra gets it; any key may be set, since the sections know their own keys.

    Raises:
        UserError: a group without this choice, or one of Hydra's own settings.
    """
    key, text = key_of(override), str(override.input_line)
    if key.replace("/", ".").split(".")[0] == "hydra":
        raise UserError(f"{text}: Hydra's own settings have no effect here; leave it out")
    if picks_file(conf, override):
        names = choices(conf, override.key_or_group)
        if override.value() not in names and not override.is_delete():
            raise UserError(f"{key}={written(override.value())}: no such choice; accepted: {', '.join(names)}")
        return text
    return text if text[0] in "+~" or "@" in key else f"++{text}"


def compose_lines(lines: list[str]) -> DictConfig:
    """Hydra's composition; what fails is told in one line, by the first override that makes it fail."""
    try:
        return compose("config", lines)
    except FAULTS as error:
        if len(lines) > 1:
            compose_lines(lines[:-1])
        said = one_line(str(error) or error.__cause__)
        raise UserError(f"{lines[-1].removeprefix('++')}: {said}") from None


def merged_files(conf: Path, lines: list[str]) -> list[tuple[str, str]]:
    """The files of `conf/` that Hydra merges, without `.yaml`, each with the key where it stands; a later one wins."""
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        found = loader.compute_defaults_list("config", lines, RunMode.RUN).defaults
    return [(str(f.config_path), f.package or "") for f in found if not str(f.config_path).startswith("hydra")]


def resolve(tree: DictConfig, name: str, throw_on_missing: bool = True) -> Any:
    """One section with its interpolations filled in; what is missing or circular is named."""
    try:
        part = tree[name]
        if not OmegaConf.is_config(part):
            return part
        return OmegaConf.to_container(part, resolve=True, throw_on_missing=throw_on_missing)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key}: is not set; say it by an override such as {error.full_key}=…") from None
    except OmegaConfBaseException as error:
        key = str(error.full_key)
        value = lookup(OmegaConf.to_container(tree, resolve=False), key)
        given = "" if value is MISSING else f"={written(value)}"
        raise UserError(f"{key}{given}: {str(error).splitlines()[0]}") from None
