"""Stage `pseudo_label`: turns predictions on the unlabelled pool into labels, in one round or several."""

from pathlib import Path

from sprout.config.pseudo_label import PSEUDO_LABELS
from sprout.config.train import read_training
from sprout.config.workspace import choice, read_build
from sprout.engine.tracked import TrainingSections
from sprout.models.predictor import use_threads
from sprout.runtime.stage import run_stage
from sprout.selftraining.rounds import make_pseudo_labels


def main() -> None:
    build = read_build()
    config, sections = choice(build, "pseudo_label", "method", PSEUDO_LABELS), TrainingSections.of(build, "retrain")
    use_threads(read_training(build, "train").threads)
    make_pseudo_labels(Path("data/pseudo_labels"), Path("models/teacher"), config, sections, build)


if __name__ == "__main__":
    run_stage(main)
