"""A composed config with further overrides, as the trials of a sweep have them."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from hydra import initialize_config_dir
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from sprout.config.compose import Composed, compose_config, compose_lines, explain_errors, parse_overrides
from sprout.config.overrides import hydra_line, input_line, key_of, picks_file


def with_values(conf: Path, composed: Composed, overrides: Sequence[str]) -> Composed:
    """Return the config that `compose_config` gives with further overrides, without composing anew.

    Hydra composes each choice of files once.

    Raises:
        UserError: an unknown key or group choice, or a value that is not accepted.
    """
    parsed = parse_overrides(overrides)
    if any(key_of(each) == "experiment" or str(each.input_line)[0] in "+~" for each in parsed):
        return compose_config(conf, composed.experiment, [*map(input_line, composed.overrides), *overrides])
    files, values = ([each for each in parsed if picks_file(conf, each) is picks] for picks in (True, False))
    tree = deepcopy(tree_with_files(conf, composed, files))
    for each in values:
        OmegaConf.update(tree, key_of(each), each.value(), force_add=True)
    lines = [*composed.lines, *(hydra_line(conf, each) for each in parsed)]
    return explain_errors(conf, composed.experiment, tree, lines, [*composed.overrides, *parsed])


def tree_with_files(conf: Path, composed: Composed, overrides: Sequence[Override]) -> DictConfig:
    """Return Hydra's composition with further choices of files, which is not to be changed.

    Raises:
        UserError: there is no such choice, or Hydra fails.
    """
    if not overrides:
        return composed.tree
    lines = tuple(hydra_line(conf, each) for each in overrides)
    if lines not in composed.with_files:
        with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
            composed.with_files[lines] = compose_lines([*composed.lines, *lines])
    return composed.with_files[lines]
