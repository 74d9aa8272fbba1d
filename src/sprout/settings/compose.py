"""From an experiment's name and override strings to one checked, resolved config."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sprout.errors import UserError
from sprout.settings import sections
from sprout.settings.validate import close


@dataclass(frozen=True)
class Composed:
    """One composed config."""

    experiment: str
    config: dict[str, Any]
    """The resolved values, by section."""
    unresolved: dict[str, Any]
    """The same with its interpolations as they were written."""
    choices: dict[str, str]
    """The file chosen for each config group."""
    overrides: list[Override]

    @property
    def text(self) -> str:
        """The config as YAML; what `build/config.yaml` holds."""
        return str(yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))


def experiments(conf: Path) -> list[str]:
    """The names under `conf/experiment/`."""
    return sorted(path.stem for path in (conf / "experiment").glob("*.yaml"))


def compose_config(conf: Path, experiment: str, overrides: Sequence[str]) -> Composed:
    """Compose and check a config.

    Args:
        conf: the folder of config groups.
        experiment: a file's name under `conf/experiment/`.
        overrides: Hydra override strings, such as `train.lr=0.01`.

    Raises:
        UserError: an unknown experiment, group choice or key, or a value that is not accepted.
    """
    parsed = parse_overrides(overrides)
    named = [o.value() for o in parsed if o.key_or_group == "experiment"]
    experiment = str(named[-1]) if named else experiment
    known = experiments(conf)
    if experiment not in known:
        raise UserError(
            f"experiment={experiment}: unknown{close(experiment, known)}; there are: {', '.join(known)}"
        )
    rest = [o for o in parsed if o.key_or_group != "experiment"]
    tree = compose_tree(conf, experiment, rest)
    choices = {
        group: name for group, name in tree.hydra.runtime.choices.items() if not group.startswith("hydra")
    }
    OmegaConf.set_struct(tree, False)
    del tree["hydra"]
    config = resolve(tree)
    config = {"experiment": experiment, **config}
    sections.check(config)
    unresolved = OmegaConf.to_container(tree, resolve=False)
    assert isinstance(unresolved, dict)
    return Composed(experiment, config, {str(k): v for k, v in unresolved.items()}, choices, rest)


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Parse override strings; sweeps such as `train.lr=1,2` are refused, as one build has one value."""
    parsed = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            raise UserError(
                f"override {text!r}: not of the form section.key=value (Hydra's grammar)"
            ) from None
        if override.is_sweep_override():
            raise UserError(
                f"override {text!r}: several values; one build takes one (quote a text that has a comma)"
            )
        parsed.append(override)
    return parsed


def compose_tree(conf: Path, experiment: str, overrides: Sequence[Override]) -> DictConfig:
    """Hydra's composition, its errors in one line."""
    lines = [f"experiment={experiment}", *(o.input_line or "" for o in overrides)]
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        try:
            return compose("config", lines, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
            fault = error
        base = compose("config", [f"experiment={experiment}"]) if overrides else DictConfig({})
    for override in overrides:
        explain_override(conf, base, override)
    raise UserError(f"experiment={experiment}: {' '.join(str(fault).split())}")


def explain_override(conf: Path, base: DictConfig, override: Override) -> None:
    """Raise what is wrong with this override, where it is the one."""
    key, group = override.key_or_group, conf / override.key_or_group
    if group.is_dir():
        names = sorted(path.stem for path in group.glob("*.yaml"))
        if override.value() not in names:
            raise UserError(f"{key}={override.value()}: no such choice; accepted: {', '.join(names)}")
    elif not override.is_add() and OmegaConf.select(base, key, default=override) is override:
        parent, _, leaf = key.rpartition(".")
        there = OmegaConf.select(base, parent) if parent else base
        known = [str(name) for name in there] if isinstance(there, DictConfig) else []
        raise UserError(
            f"{override.input_line}: no such key{close(leaf, known)}; accepted: {', '.join(known) or 'none'}"
        )


def resolve(tree: DictConfig) -> dict[str, Any]:
    """Fill in the interpolations; what is missing or circular is named."""
    try:
        values = OmegaConf.to_container(tree, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(f"{error.full_key}: {' '.join(str(error.msg or error).split())}") from None
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}
