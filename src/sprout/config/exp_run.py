"""The `dvc exp run` commands that build a composed config, or an experiment as its file is."""

import shlex

from hydra.core.override_parser.types import Quote, QuotedString

from sprout.config.compose import Composed
from sprout.config.overrides import key_of
from sprout.config.workspace import Params


def exp_run(composed: Composed, params: Params) -> str:
    """Return the command, with the differences from `params.yaml` quoted for Hydra and the shell."""
    changes = [str(o.input_line) for o in composed.overrides if key_of(o) != "experiment"]
    command = ["dvc", "exp", "run"]
    if composed.experiment != params.experiment:
        command += ["-S", f"experiment={composed.experiment}"]
    if changes != params.overrides:
        command += ["-S", f"overrides=[{', '.join(map(quoted, changes))}]"]
    return shlex.join(command)


def exp_run_file(experiment: str) -> str:
    """Return the command that builds an experiment as its file is, whatever `params.yaml` holds by then."""
    return shlex.join(["dvc", "exp", "run", "-S", f"experiment={experiment}", "-S", "overrides=[]"])


def quoted(text: str) -> str:
    """Return a string quoted for a list in Hydra's grammar, with interpolations escaped, which DVC would resolve."""
    return str(QuotedString(text.replace("${", "\\${"), Quote.double).with_quotes())
