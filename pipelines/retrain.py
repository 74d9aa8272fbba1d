"""Stage `retrain`: the student, on true labels, their augmented copies and pseudo-labels."""

from dataclasses import asdict
from pathlib import Path

from sprout.core.ranks import started_as_ranks
from sprout.core.stage import run_stage
from sprout.core.store import read_labels
from sprout.core.workspace import choice, read_build, section
from sprout.settings.model import MODELS
from sprout.settings.tracking import Tracking
from sprout.settings.train import TRAININGS, Training
from sprout.training.batches import Examples
from sprout.training.tracked import keep_teacher, train_tracked


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
