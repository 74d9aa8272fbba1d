"""What one sweep searches, checked before the first trial."""

from pathlib import Path
from typing import Any

from sprout.config.compose import Composed, with_values
from sprout.config.sweep import Direction, Space, Sweep, space_of
from sprout.config.train import TRAININGS, Training
from sprout.config.validate import choice, section
from sprout.runtime.errors import UserError
from sprout.sweep.objective import check_objective
from sprout.sweep.plan import TrialSpec
from sprout.sweep.space import check_space, drawn, ends, override
from sprout.sweep.workers import shared_threads
from sprout.tracking import InSweep, data_hashes

DATA = ("data/prepared", "data/augmented", "data/pretrained")
EPOCHS = "train.epochs"


class Search:
    """What one command searches."""

    def __init__(self, conf: Path, composed: Composed) -> None:
        """Take the composed config; check all that can be checked before the first trial.

        Raises:
            UserError: the section `sweep` and the rest of the config do not fit one another.
        """
        self.conf, self.composed = conf, composed
        self.sweep: Sweep = section("sweep", composed.sweep, Sweep)
        self.space: Space = space_of(self.sweep)
        self.training: Training = choice("train", composed.config["train"], "method", TRAININGS)
        if self.training.processes[1] > 1:
            raise UserError(f"train.nodes={self.training.processes[1]}: a sweep runs on one machine; set 1")
        check_objective(self.sweep, composed.config)
        check_space(conf, composed, self.space)
        self.threads = shared_threads(self.sweep.workers * self.training.processes[0], self.training.threads)

    @property
    def metrics(self) -> list[str]:
        """What is sought."""
        return [objective.metric for objective in self.sweep.objective]

    @property
    def directions(self) -> list[Direction]:
        """Which way is better."""
        return [objective.direction for objective in self.sweep.objective]

    @property
    def epochs(self) -> int:
        """Of a training, at most."""
        searched = self.space.get(EPOCHS)
        return max(ends(searched)) if searched else getattr(self.training, "epochs", 1)

    def definition(self) -> dict[str, Any]:
        """What its trials have in common; the rest of the section `sweep`, and the threads, may change."""
        fixed = {name: self.composed.config[name] for name in ("experiment", "model", "train")}
        fixed["train"] = {key: value for key, value in fixed["train"].items() if key != "threads"}
        searched = {key: self.composed.sweep[key] for key in ("space", "objective", "seeds")}
        return {**fixed, "sweep": searched, "data": data_hashes(Path.cwd(), DATA)}

    def config_of(self, params: dict[str, Any], seed: int, threads: int) -> Composed:
        """The config of one training of a trial.

        Args:
            params: what was drawn.
            seed: counted from that of the section `train`.
            threads: on a CPU, the same value takes the same number of them.

        Raises:
            UserError: settings that do not fit one another.
        """
        found = [override(self.conf, path, value) for path, value in drawn(self.space, params).items()]
        chance = [f"train.threads={threads}", f"train.seed={self.training.seed + seed}"]
        return with_values(self.conf, self.composed, [*found, *chance])

    def epochs_of(self, params: dict[str, Any]) -> int:
        """Of a training of a trial, at most."""
        return int(params.get(EPOCHS, self.epochs))

    def order(self, key: InSweep, results: Path, number: int, params: dict[str, Any]) -> TrialSpec:
        """What a worker is told of a trial, which notes what it finds in the folder of results."""
        builds = [self.config_of(params, seed, self.threads).text for seed in range(self.sweep.seeds)]
        return TrialSpec(number, builds, self.training.processes[0], self.metrics, key, str(results))
