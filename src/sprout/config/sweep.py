"""Section `sweep`: the search space and settings of the command `sprout sweep`; no stage reads it."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from sprout.config import validate
from sprout.config.fields import STRICT, Count, Positive, Seed
from sprout.config.search_space import Space, parse_space

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
SERVER = re.compile(r"postgresql(\+psycopg)?://.+", re.DOTALL)
Direction = Literal["maximize", "minimize"]


def server(uri: str) -> str:
    """Return the URI of a server as libpq takes it.

    Raises:
        ValueError: it is none. The message does not show it, as it may have a password.
    """
    if not SERVER.fullmatch(uri):
        raise ValueError("should be postgresql://USER@HOST/DATABASE, or null for a SQLite file in the study's folder")
    return uri.replace("+psycopg", "", 1) if uri.startswith("postgresql+") else uri


@dataclass(frozen=True, config=STRICT)
class Objective:
    metric: str
    """A metric of the trained model on val, such as val_accuracy or val_loss, or `parameters`, the number of
    trained parameters."""
    direction: Direction
    """Whether larger or smaller values are better."""


@dataclass(frozen=True, config=STRICT)
class Sweep:
    name: str
    """The study is named EXPERIMENT-NAME; a sweep resumes the study of that name."""
    trials: Count
    """Total of complete and pruned trials, over all runs of the command."""
    timeout: Positive | None
    """Minutes after which the command starts no further trial; null means no limit."""
    sampler: Literal["tpe", "random", "nsga2"]
    """How settings are drawn: tree-structured Parzen estimator (Bergstra et al., 2011), random, or evolution (NSGA-II:
    Deb et al., 2002)."""
    pruner: Literal["successive_halving", "hyperband", "median", "none"]
    """How trials are pruned: after 1, 8, 64, … epochs unless in the best quarter so far (asynchronous successive
    halving: Li et al., 2020), by Hyperband (Li et al., 2018), when worse than the median of the others, or never."""
    workers: Count
    """Trials that run at the same time, each in its own process; cores and GPUs are divided among them."""
    seeds: Count
    """Trainings of each trial, with train.seed, train.seed + 1, …; its value is their mean. Only the first can
    be pruned."""
    seed: Seed
    """Seed of the sampler."""
    objective: Annotated[tuple[Objective, ...], Field(min_length=1)]
    """What is optimised; several objectives give a Pareto front."""
    storage: Annotated[str, AfterValidator(server)] | None
    """The PostgreSQL database that keeps the study, postgresql://USER@HOST/DATABASE, so that it outlives this machine;
    needs the extra `postgres`. The password is libpq's: PGPASSWORD, ~/.pgpass. null means a SQLite file in the study's
    folder."""
    space: dict[str, Any]
    """The search space, nested like the config, with a parameter in place of a value (`config/search_space.py`)."""

    def __post_init__(self) -> None:
        """Check that the name can be a folder's, that metrics are unique, and that pruning has a single objective."""
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"name={self.name}: accepted: up to 64 letters, digits, `_`, `.` and `-`, a letter or digit first"
            )
        metrics = [objective.metric for objective in self.objective]
        if len(set(metrics)) != len(metrics):
            raise ValueError(f"objective=[{', '.join(metrics)}]: a metric appears twice; remove it")
        if len(metrics) > 1 and self.pruner != "none":
            raise ValueError(
                f"pruner={self.pruner} with {len(metrics)} objectives: pruning needs a single one; accepted: none"
            )


def check_sweep(name: str, values: Any) -> Sweep:
    """Return the section, with its search space checked."""
    sweep = validate.section(name, values, Sweep)
    space_of(sweep)
    return sweep


def space_of(sweep: Sweep) -> Space:
    """Return the parameters of the search space by their keys.

    Raises:
        UserError: there is none, or one is invalid or cannot be searched.
    """
    return parse_space(sweep.space)
