"""The search of one sweep: its space, objectives and trials, checked before the first trial."""

from pathlib import Path
from typing import Any

from optuna.trial import Trial

from sprout.config import cluster
from sprout.config.compose import Composed
from sprout.config.exp_run import section_of
from sprout.config.model import MODELS
from sprout.config.recompose import with_values
from sprout.config.search_space import Space
from sprout.config.sweep import Direction, Sweep, space_of
from sprout.config.train import Training, check_training
from sprout.config.validate import choice, section
from sprout.runtime.errors import UserError
from sprout.sweep.conditions import check_space, holds
from sprout.sweep.messages import TrialSpec
from sprout.sweep.objective import check_objective
from sprout.sweep.space import extremes, override, suggest, to_settings
from sprout.tracking import InSweep, data_hashes

DATA = ("data/prepared", "data/augmented", "data/pretrained")
EPOCHS = "train.epochs"


class Search:
    """The search of one sweep."""

    def __init__(self, conf: Path, composed: Composed) -> None:
        """Read the composed config and check all that can be checked before the first trial.

        Raises:
            UserError: the section `sweep` does not fit the rest of the config.
        """
        self.conf, self.composed = conf, composed
        self.sweep: Sweep = section("sweep", composed.outside["sweep"], Sweep)
        self.space: Space = space_of(self.sweep)
        self.training: Training = check_training("train", composed.config["train"])
        if self.training.processes[1] > 1:
            raise UserError(f"train.nodes={self.training.processes[1]}: a trial of a sweep runs on one machine; set 1")
        check_objective(self.sweep, self.training, choice("model", composed.config["model"], "name", MODELS))
        check_space(conf, composed, self.space)

    @property
    def metrics(self) -> list[str]:
        """The objectives."""
        return [objective.metric for objective in self.sweep.objective]

    @property
    def directions(self) -> list[Direction]:
        """The direction of each objective."""
        return [objective.direction for objective in self.sweep.objective]

    @property
    def epochs(self) -> int:
        """The epochs of the longest training."""
        searched = self.space.get(EPOCHS)
        return max(extremes(searched)) if searched else getattr(self.training, "epochs", 1)

    def definition(self) -> dict[str, Any]:
        """Return what a study keeps for all of its trials; threads and the rest of the section `sweep` may change."""
        fixed = {name: self.composed.config[name] for name in ("experiment", "model", "train")}
        fixed["train"] = {key: value for key, value in fixed["train"].items() if key != "threads"}
        searched = {key: self.composed.outside["sweep"][key] for key in ("space", "objective", "seeds")}
        return {**fixed, "sweep": searched, "data": data_hashes(Path.cwd(), DATA)}

    def config_of(self, params: dict[str, Any], seed: int, threads: int) -> Composed:
        """Return the config of one training of a trial.

        Args:
            params: as Optuna has drawn them.
            seed: added to that of the section `train`.
            threads: CPU threads; on a CPU the result depends on their number.

        Raises:
            UserError: settings that do not fit one another.
        """
        overrides = [override(self.conf, path, value) for path, value in to_settings(self.space, params).items()]
        fixed = [f"train.threads={threads}", f"train.seed={self.training.seed + seed}"]
        return with_values(self.conf, self.composed, [*overrides, *fixed])

    def draw_conditional(self, trial: Trial) -> None:
        """Draw the parameters whose condition the settings of a trial meet so far.

        Raises:
            UserError: settings that do not fit one another.
        """
        for path, parameter in self.space.items():
            if parameter.when is not None and holds(parameter.when, self.settled(trial.params).config):
                suggest(trial, path, parameter)

    def settled(self, params: dict[str, Any], space: Space | None = None) -> Composed:
        """Return the config with params of this search space, or of another one.

        Raises:
            UserError: settings that do not fit one another.
        """
        settings = to_settings(self.space if space is None else space, params)
        overrides = [override(self.conf, path, value) for path, value in settings.items()]
        return with_values(self.conf, self.composed, overrides)

    def epochs_of(self, params: dict[str, Any]) -> int:
        """Return the epochs of a full training with these params."""
        return int(params.get(EPOCHS, getattr(self.training, "epochs", 1)))

    def spec(self, key: InSweep, results: Path, threads: int, number: int, params: dict[str, Any]) -> TrialSpec:
        """Return what a worker needs to run a trial.

        Args:
            key: the MLflow run of the sweep.
            results: the folder of results.
            threads: CPU threads of each process.
            number: of the trial.
            params: as Optuna has drawn them.

        Raises:
            UserError: settings that do not fit one another.
        """
        builds = [self.config_of(params, seed, threads).text for seed in range(self.sweep.seeds)]
        overrides = self.settled(params).overrides
        settings = [str(each.input_line) for each in overrides if section_of(each) != cluster.SECTION]
        return TrialSpec(number, builds, settings, self.training.processes[0], self.metrics, key, str(results))
