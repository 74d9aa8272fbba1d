"""The sections of the config, each with its check."""

from collections.abc import Callable, Mapping
from typing import Any

from sprout.config import validate
from sprout.config.augment import Augment
from sprout.config.cluster import CLUSTERS
from sprout.config.control import Control
from sprout.config.download import DOWNLOADS
from sprout.config.evaluate import Evaluate
from sprout.config.label import LABELS
from sprout.config.model import MODELS
from sprout.config.prepare import Prepare
from sprout.config.pretrained import Pretrained
from sprout.config.pseudo_label import PSEUDO_LABELS
from sprout.config.results import Report, Tracking
from sprout.config.sweep import check_sweep
from sprout.config.train import check_training
from sprout.runtime.errors import UserError


def check_choice(key: str, kinds: Mapping[str, type]) -> Callable[[str, Any], Any]:
    """Return a check for a section whose `key` selects its dataclass."""
    return lambda name, values: validate.choice(name, values, key, kinds)


def check_section(kind: type) -> Callable[[str, Any], Any]:
    """Return a check for a section with one dataclass."""
    return lambda name, values: validate.section(name, values, kind)


SECTIONS: dict[str, Callable[[str, Any], Any]] = {
    "download": check_choice("source", DOWNLOADS),
    "prepare": check_section(Prepare),
    "augment": check_section(Augment),
    "pretrained": check_section(Pretrained),
    "model": check_choice("name", MODELS),
    "train": check_training,
    "pseudo_label": check_choice("method", PSEUDO_LABELS),
    "control": check_section(Control),
    "retrain": check_training,
    "evaluate": check_section(Evaluate),
    "report": check_section(Report),
    "tracking": check_section(Tracking),
    "sweep": check_sweep,
    "label": check_choice("strategy", LABELS),
    "cluster": check_choice("engine", CLUSTERS),
}


OUTSIDE = ("sweep", "label", "cluster")
"""Sections that no build reads: they change nothing of what it makes."""


def check_names(config: Mapping[Any, Any]) -> None:
    """Check that a config has all sections, and no others.

    Raises:
        UserError: a section is unknown or missing.
    """
    for name, values in config.items():
        if name not in SECTIONS:
            near = validate.close(str(name), SECTIONS)
            raise UserError(
                f"{name}={validate.written(values)}: no such section{near}; accepted: {', '.join(SECTIONS)}"
            )
    for name in SECTIONS:
        if name not in config:
            raise UserError(f"{name}: this section is missing; a config needs all of {', '.join(SECTIONS)}")
