"""Stage `retrain`: trains the student on true labels, their augmented copies and pseudo-labels."""

from pathlib import Path

from sprout.config.workspace import read_build
from sprout.data.dataset import Examples
from sprout.data.store import read_labels
from sprout.engine.tracked import TrainingSections, keep_teacher, train_tracked
from sprout.runtime.launch import started_as_ranks
from sprout.runtime.stage import run_stage


def main() -> None:
    build, pseudo = read_build(), read_labels(Path("data/pseudo_labels"))
    sections = TrainingSections.of(build, "retrain")
    if not pseudo.num_rows:
        keep_teacher(Path("models/teacher"), Path("models/student"))
    elif not started_as_ranks(*sections.training.processes):
        examples = Examples.open("data/prepared/train", "data/augmented").with_rows("data/prepared/unlabelled", pseudo)
        train_tracked(Path("models/student"), examples, sections, build, role="student")


if __name__ == "__main__":
    run_stage(main)
