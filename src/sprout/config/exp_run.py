"""The `dvc exp run` commands that rebuild the data, or build an experiment as its file is."""

import shlex
from collections.abc import Mapping

from hydra.core.override_parser.types import Override, Quote, QuotedString

from sprout.config.compose import Composed
from sprout.config.overrides import key_of
from sprout.config.workspace import Params

STAGES = ("download", "prepare", "augment", "pretrained")
"""The stages that make the data of a training, each with a section of its name."""
LAST = ("augment", "pretrained")
"""Those that no other one of them needs."""


def rebuild_data(composed: Composed, params: Params, replaced: Mapping[str, str] | None = None) -> str:
    """Return the command that makes the data for a config, quoted for Hydra and the shell.

    It holds what `params.yaml` does, and of further overrides those that change the data.

    Args:
        composed: the overrides of `params.yaml`, then those of a command.
        params: the content of `params.yaml`.
        replaced: values to take in place of what the overrides say, by key.
    """
    given, changed = composed.overrides[: len(params.overrides)], composed.overrides[len(params.overrides) :]
    wanted = [o for o in (*given, *(o for o in changed if section_of(o) in STAGES)) if key_of(o) != "experiment"]
    changes = [str(o.input_line) for o in wanted if key_of(o) not in (replaced or {})]
    changes += [f"{key}={value}" for key, value in (replaced or {}).items()]
    command = ["dvc", "exp", "run"]
    if composed.experiment != params.experiment:
        command += ["-S", f"experiment={composed.experiment}"]
    if changes != params.overrides:
        command += ["-S", f"overrides=[{', '.join(map(quoted, changes))}]"]
    return shlex.join([*command, *LAST])


def section_of(override: Override) -> str:
    """Return the section that an override changes."""
    return key_of(override).split("@")[-1].replace("/", ".").split(".")[0]


def exp_run_file(experiment: str) -> str:
    """Return the command that builds an experiment as its file is, whatever `params.yaml` holds by then."""
    return shlex.join(["dvc", "exp", "run", "-S", f"experiment={experiment}", "-S", "overrides=[]"])


def quoted(text: str) -> str:
    """Return a string quoted for a list in Hydra's grammar, with interpolations escaped, which DVC would resolve."""
    return str(QuotedString(text.replace("${", "\\${"), Quote.double).with_quotes())
