"""Stage `retrain`: the student, on true labels, their augmented copies and pseudo-labels."""

from dataclasses import asdict
from pathlib import Path

from sprout.config.model import MODELS
from sprout.config.results import Tracking
from sprout.config.train import TRAININGS, Training
from sprout.config.workspace import choice, read_build, section
from sprout.data.dataset import Examples
from sprout.data.store import read_labels
from sprout.engine.tracked import keep_teacher, train_tracked
from sprout.runtime.launch import started_as_ranks
from sprout.runtime.stage import run_stage


def main() -> None:
    build, pseudo = read_build(), read_labels(Path("data/pseudo_labels"))
    training: Training = choice(build, "retrain", "method", TRAININGS)
    settings = asdict(training) | asdict(section(build, "tracking", Tracking))
    settings["architecture"] = asdict(choice(build, "model", "name", MODELS))
    if not pseudo.num_rows:
        keep_teacher(Path("models/teacher"), Path("models/student"))
    elif not started_as_ranks(*training.processes):
        examples = Examples.open("data/prepared/train", "data/augmented").plus("data/prepared/unlabelled", pseudo)
        train_tracked(Path("models/student"), examples, Path("data/prepared"), build, role="student", **settings)


if __name__ == "__main__":
    run_stage(main)
