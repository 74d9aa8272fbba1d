"""Stage `train`: the teacher, on true labels and their augmented copies; on all images where it needs no labels."""

from dataclasses import asdict
from pathlib import Path

from sprout.core.ranks import started_as_ranks
from sprout.core.stage import run_stage
from sprout.core.workspace import choice, read_build, section
from sprout.settings.model import MODELS
from sprout.settings.tracking import Tracking
from sprout.settings.train import TRAININGS, Training
from sprout.training.batches import Examples
from sprout.training.tracked import train_tracked


def main() -> None:
    build = read_build()
    training: Training = choice(build, "train", "method", TRAININGS)
    settings = asdict(training) | asdict(section(build, "tracking", Tracking))
    settings["architecture"] = asdict(choice(build, "model", "name", MODELS))
    if not started_as_ranks(*training.processes):
        examples = Examples.open("data/prepared/train", "data/augmented", "data/prepared/unlabelled")
        train_tracked(Path("models/teacher"), examples, Path("data/prepared"), build, role="teacher", **settings)


if __name__ == "__main__":
    run_stage(main)
