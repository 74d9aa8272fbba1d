"""Makes Hydra compose faster in tests, which compose several hundred configs, many of them alike."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hydra import compose
from hydra._internal import defaults_list
from hydra._internal.config_repository import ConfigRepository
from hydra.core.default_element import InputDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf


def patch_hydra(patch: pytest.MonkeyPatch) -> None:
    """Compose each config and parse each file once; a test that compares two compositions changes a file between."""
    patch.setattr("sprout.config.compose.compose", composed_once())
    patch.setattr(ConfigRepository, "load_config", parsed_once())
    patch.setattr(defaults_list, "_create_interpolation_map", only_for_interpolations())


def composed_once() -> Any:
    """Hydra's `compose`, which returns a copy where it has composed the same lines from the same files before."""
    known: dict[tuple[Any, ...], DictConfig] = {}

    def compose_once(config_name: str, lines: list[str]) -> DictConfig:
        key = (config_name, *lines, *files_of(main_folder(GlobalHydra.instance().config_loader().get_sources())))
        if key not in known:
            known[key] = compose(config_name, lines)
        return deepcopy(known[key])

    return compose_once


def parsed_once() -> Any:
    """`load_config` of Hydra's repository, which parses a file again only if its content has changed."""
    known: dict[tuple[str, bytes | None], ConfigResult | None] = {}
    parse = ConfigRepository.load_config

    def load_config(self: ConfigRepository, config_path: str) -> ConfigResult | None:
        conf = main_folder(self.sources)
        file = conf / f"{config_path}.yaml"
        key = config_path, file.read_bytes() if file.is_file() else None
        if key not in known:
            known[key] = parse(self, config_path)
        found = deepcopy(known[key])
        if found and found.provider == "main":
            found.path = f"file://{conf}"
        return found

    return load_config


def only_for_interpolations() -> Any:
    """Hydra's map of the choices so far, empty where no default of the list asks for one: a third of the time."""
    make = defaults_list._create_interpolation_map

    def create(overrides: Any, defaults: list[InputDefault], self_added: bool) -> DictConfig:
        asked = any(each.is_interpolation() for each in defaults)
        return make(overrides, defaults, self_added) if asked else OmegaConf.create()

    return create


def main_folder(sources: list[Any]) -> Path:
    """The folder `conf/` among Hydra's sources."""
    (conf,) = (source.path for source in sources if source.provider == "main")
    return Path(conf)


def files_of(conf: Path) -> list[tuple[str, bytes]]:
    """The files of a folder with their contents."""
    return [(str(path.relative_to(conf)), path.read_bytes()) for path in sorted(conf.rglob("*.yaml"))]
