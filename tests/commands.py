"""Runs commands in the test's own process: exit code and output; and what `dvc exp run` makes of `params.yaml`."""

import shlex
from typing import NamedTuple

from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides

from sprout.config.workspace import Params, read_params


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def params_after(command: str) -> Params:
    """What `params.yaml` holds once the shell and DVC have read the command."""
    words = [word for word in shlex.split(command) if word not in ("augment", "pretrained")]  # stages
    assert words[:3] == ["dvc", "exp", "run"]
    assert words[3::2] == ["-S"] * (len(words[3:]) // 2)
    for path, changes in to_path_overrides(words[4::2]).items():
        apply_overrides(path, changes)
    return read_params()
