"""Composes the config of an experiment and its overrides, resolved and checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from sprout.config import sections
from sprout.config.cross_checks import check_folds, check_together
from sprout.config.environment import environment_as_text, with_environment
from sprout.config.literal_secrets import refuse_literal_secrets
from sprout.config.overrides import (
    choices,
    explained,
    hydra_line,
    key_of,
    of_experiment,
    parse_override,
)
from sprout.config.tree import MISSING, is_interpolation, leaves, lookup, merge
from sprout.config.validate import close, written
from sprout.runtime.errors import UserError, one_line
from sprout.runtime.workspace import left_behind

COMPOSE_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, OSError, ValueError, TypeError)


@dataclass(frozen=True)
class Composed:
    """One composed config."""

    experiment: str
    config: dict[str, Any]
    """The resolved values of the sections that a build reads; `${oc.env:NAME}` stays as it is."""
    outside: dict[str, dict[str, Any]]
    """The resolved values of the sections that no build reads (`sections.OUTSIDE`)."""
    unresolved: dict[str, Any]
    """All sections with their interpolations unresolved."""
    lines: list[str]
    """Hydra's arguments: the experiment and the overrides."""
    overrides: list[Override]
    tree: DictConfig
    """Hydra's composition."""
    with_files: dict[tuple[str, ...], DictConfig] = field(default_factory=dict, compare=False)
    """Hydra's compositions with further choices of files, by their lines, each made when it is first asked for."""

    @property
    def whole(self) -> dict[str, Any]:
        """All sections."""
        return self.config | self.outside

    @property
    def text(self) -> str:
        """The content of `build/config.yaml`."""
        return str(yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))


def experiments(conf: Path) -> list[str]:
    """Return the names of the files in `conf/experiment/`.

    Raises:
        UserError: there are none.
    """
    names = choices(conf, "experiment")
    if not names:
        raise UserError(f"{conf}/experiment: no experiments found; run this in the project's folder")
    return names


def compose_config(conf: Path, experiment: str, overrides: Sequence[str]) -> Composed:
    """Compose and check a config.

    Args:
        conf: the folder of config groups.
        experiment: the name of a file in `conf/experiment/`.
        overrides: Hydra override strings, such as `train.lr=0.01` or `++train.lr=0.01`, which mean the same.

    Raises:
        UserError: an unknown experiment, group choice or key, or a value that is not accepted.
    """
    parsed = parse_overrides(overrides)
    chosen = [o.value() for o in parsed if key_of(o) == "experiment"]
    name, known = (chosen or [experiment])[-1], experiments(conf)
    if name not in known:
        why = left_behind(conf / "experiment" / f"{name}.yaml")
        more = why or f"{close(str(name), known)}; accepted: {', '.join(known)}"
        raise UserError(f"experiment={written(name)}: unknown{more}")
    experiment = str(name)
    rest = [o for o in parsed if key_of(o) != "experiment"]
    lines = [f"experiment={experiment}", *(hydra_line(conf, o) for o in rest)]
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        tree = compose_lines(lines)
    return explain_errors(conf, experiment, tree, lines, parsed)


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """Parse override strings.

    Raises:
        UserError: one cannot be parsed, or has a secret that is written out.
    """
    parsed = [parse_override(text) for text in texts]
    for each in parsed:
        refuse_literal_secrets(key_of(each), each.value())
    return parsed


def explain_errors(
    conf: Path, experiment: str, tree: DictConfig, lines: list[str], overrides: list[Override]
) -> Composed:
    """Resolve and check Hydra's composition; an error tells how an override is written that was meant otherwise.

    Raises:
        UserError: as `check_composed`.
    """
    try:
        return check_composed(experiment, tree, lines, overrides)
    except UserError as error:
        if (unfit := of_experiment(error, conf, experiment, overrides)) is not None:
            raise unfit from None
        raise explained(error, conf, overrides, lambda: merged_files(conf, lines)) from None


def check_composed(experiment: str, tree: DictConfig, lines: list[str], overrides: list[Override]) -> Composed:
    """Resolve and check Hydra's composition.

    Raises:
        UserError: an unknown key, a value that is not accepted, or sections that do not fit one another.
    """
    unresolved = OmegaConf.to_container(tree, resolve=False)
    assert isinstance(unresolved, dict)
    sections.check_names(unresolved)
    config: dict[str, Any] = {"experiment": experiment}
    typed: dict[str, Any] = {}
    for name, check in sections.SECTIONS.items():
        config[name] = resolve(tree, name)
        if name == "retrain":
            config[name] = merge(config["train"], config[name])
        refuse_literal_secrets(name, config[name])
        with_environment(name, config[name], arguments=True)  # refuses variables that are not set
        typed[name] = check(name, config[name])
    trainings = {name: typed[name] for name in ("train", "retrain")}
    check_together(typed["model"], typed["pretrained"], trainings)
    check_folds(typed["prepare"], typed["pseudo_label"], trainings)
    outside = {name: config.pop(name) for name in sections.OUTSIDE}
    whole = {str(key): value for key, value in unresolved.items()}
    return Composed(experiment, config, outside, whole, lines, overrides, tree)


def compose_open(conf: Path, experiment: str) -> dict[str, Any]:
    """Return the values of an experiment, by section, without requiring the settings that its user must provide.

    These have the value `???`, or come from the environment, and their sections are not checked.

    Raises:
        UserError: a value in another section is not accepted.
    """
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        tree = compose_lines([f"experiment={experiment}"])
    sections.check_names(tree)
    values = {name: resolve(tree, name, throw_on_missing=False) for name in sections.SECTIONS}
    values["retrain"] = merge(values["train"], values["retrain"])
    for name, check in sections.SECTIONS.items():
        settings = dict(leaves(values[name])).values()
        if "???" not in settings and not any(map(is_interpolation, settings)):
            check(name, values[name])
    return values


def compose_lines(lines: list[str]) -> DictConfig:
    """Compose by Hydra.

    Raises:
        UserError: it fails; the message begins with the first override at which it does.
    """
    try:
        return compose("config", lines)
    except COMPOSE_ERRORS as error:
        before = compose_lines(lines[:-1]) if len(lines) > 1 else None
        if before is not None and lines[-1].startswith("~"):
            found = lookup(before, lines[-1].lstrip("~").partition("=")[0])
            if found in (None, MISSING):
                what = "is null" if found is None else "does not exist"
                raise UserError(f"{lines[-1]}: {what} already, so there is nothing to remove; leave this out") from None
        reason = one_line(str(error) or error.__cause__)
        raise UserError(f"{lines[-1].removeprefix('++')}: {reason}") from None


def merged_files(conf: Path, lines: list[str]) -> list[tuple[str, str]]:
    """Return the files of `conf/` that Hydra merges, without `.yaml`, with their keys; later ones take precedence."""
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        files = loader.compute_defaults_list("config", lines, RunMode.RUN).defaults
    return [(str(f.config_path), f.package or "") for f in files if not str(f.config_path).startswith("hydra")]


def resolve(tree: DictConfig, name: str, throw_on_missing: bool = True) -> Any:
    """Return a section with its interpolations resolved, but for those of environment variables.

    Raises:
        UserError: a value is not set, or an interpolation cannot be resolved.
    """
    try:
        section = tree[name]
        if not OmegaConf.is_config(section):
            return section
        with environment_as_text():
            return OmegaConf.to_container(section, resolve=True, throw_on_missing=throw_on_missing)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key}: is not set; add an override such as {error.full_key}=…") from None
    except OmegaConfBaseException as error:
        key = str(error.full_key)
        value = lookup(OmegaConf.to_container(tree, resolve=False), key)
        shown = "" if value is MISSING else f"={written(value)}"
        raise UserError(f"{key}{shown}: {str(error).splitlines()[0]}") from None
