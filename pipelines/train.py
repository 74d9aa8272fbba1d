"""Stage `train`: the teacher, on true labels and their augmented copies; on all images where it needs no labels."""

from dataclasses import asdict
from pathlib import Path

from sprout.config.model import MODELS
from sprout.config.results import Tracking
from sprout.config.train import TRAININGS, Training
from sprout.config.workspace import choice, read_build, section
from sprout.data.dataset import Examples
from sprout.engine.tracked import train_tracked
from sprout.runtime.launch import started_as_ranks
from sprout.runtime.stage import run_stage


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
