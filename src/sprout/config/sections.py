"""Every section of the config with the dataclass that checks it."""

from collections.abc import Callable, Mapping
from typing import Any

from sprout.config import validate
from sprout.config.augment import Augment
from sprout.config.download import DOWNLOADS
from sprout.config.model import MODELS
from sprout.config.prepare import Prepare
from sprout.config.pretrained import Pretrained
from sprout.config.pseudo_label import PseudoLabel
from sprout.config.results import Evaluate, Report, Tracking
from sprout.config.sweep import check_sweep
from sprout.config.train import TRAININGS
from sprout.runtime.errors import UserError


def one_of(key: str, kinds: Mapping[str, type]) -> Callable[[str, Any], Any]:
    """A check for a section whose `key` picks its dataclass."""
    return lambda name, values: validate.choice(name, values, key, kinds)


def just(kind: type) -> Callable[[str, Any], Any]:
    """A check for a section with one dataclass."""
    return lambda name, values: validate.section(name, values, kind)


SECTIONS: dict[str, Callable[[str, Any], Any]] = {
    "download": one_of("source", DOWNLOADS),
    "prepare": just(Prepare),
    "augment": just(Augment),
    "pretrained": just(Pretrained),
    "model": one_of("name", MODELS),
    "train": one_of("method", TRAININGS),
    "pseudo_label": just(PseudoLabel),
    "retrain": one_of("method", TRAININGS),
    "evaluate": just(Evaluate),
    "report": just(Report),
    "tracking": just(Tracking),
    "sweep": check_sweep,
}


def check_names(config: Mapping[Any, Any]) -> None:
    """Check that a config has every section, and nothing else.

    Raises:
        UserError: an unknown or a missing section.
    """
    for name, values in config.items():
        if name not in SECTIONS:
            near = validate.close(str(name), SECTIONS)
            raise UserError(
                f"{name}={validate.written(values)}: no such section{near}; accepted: {', '.join(SECTIONS)}"
            )
    for name in SECTIONS:
        if name not in config:
            raise UserError(f"{name}: this section is missing; every experiment has all of {', '.join(SECTIONS)}")
