"""Stage `pseudo_label`: leaves out examples of no known class, and turns predictions on the others into labels."""

from pathlib import Path

from sprout.config.cluster import read_cluster
from sprout.config.pseudo_label import PSEUDO_LABELS, NoPseudoLabels
from sprout.config.train import read_training
from sprout.config.workspace import choice, read_build
from sprout.runtime.stage import run_stage
from sprout.selftraining.round_files import NO_METHOD, write_none

OUT = Path("data/pseudo_labels")


def main() -> None:
    build = read_build()
    config, student = choice(build, "pseudo_label", "method", PSEUDO_LABELS), read_training(build, "retrain")
    if isinstance(config, NoPseudoLabels) and not (student.learns_from_pool and config.foreign == "auto"):
        write_none(OUT, NO_METHOD)
        return
    cluster = read_cluster().with_kernels()
    # Here, as they import torch, which takes seconds.
    from sprout.engine.tracked import TrainingSections
    from sprout.models.predictor import use_threads
    from sprout.selftraining.rounds import make_pseudo_labels

    use_threads(read_training(build, "train").threads)
    sections = TrainingSections.of(build, "retrain")
    with cluster.start().keeping():  # several passes over stores
        make_pseudo_labels(OUT, Path("models/teacher"), config, sections, build, cluster)


if __name__ == "__main__":
    run_stage(main)
