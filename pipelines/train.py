"""Stage `train`: trains the teacher on true labels and augmented copies, or on all examples if it needs no labels."""

from pathlib import Path

from sprout.config.cluster import read_cluster
from sprout.config.workspace import read_build
from sprout.data.dataset import Examples
from sprout.data.store import STORES
from sprout.runtime.launch import started_as_ranks
from sprout.runtime.stage import run_stage


def main() -> None:
    cluster = read_cluster().with_kernels()
    # Here, as torch takes seconds to import, in which a signal is to end the stage as at any other time.
    from sprout.engine.tracked import TrainingSections, train_teacher

    build = read_build()
    sections = TrainingSections.of(build, "train")
    if not started_as_ranks(*sections.training.processes, cluster.start().run_nodes):
        train_teacher(Path("models/teacher"), Examples.open(*STORES), sections, build)


if __name__ == "__main__":
    run_stage(main)
