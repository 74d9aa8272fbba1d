"""Stage `control`: trains the student's rival, which takes as many steps on labels alone."""

from pathlib import Path

from sprout.config.cluster import read_cluster
from sprout.config.control import Control
from sprout.config.workspace import read_build, section
from sprout.data.dataset import Examples
from sprout.data.foreign import Foreign
from sprout.data.store import open_store, read_labels
from sprout.runtime.launch import started_as_ranks
from sprout.runtime.stage import run_stage


def main() -> None:
    cluster = read_cluster().with_kernels()
    # Here, as torch takes seconds to import, in which a signal is to end the stage as at any other time.
    from sprout.engine.tracked import TrainingSections
    from sprout.selftraining.control import make_control, why_untrained, write_untrained

    build, out = read_build(), Path("models/control")
    config, sections = section(build, "control", Control), TrainingSections.of(build, "retrain")
    labels, pool = Path("data/pseudo_labels"), len(open_store(Path("data/prepared/unlabelled")))
    pseudo = read_labels(labels).num_rows
    if why := why_untrained(sections, config, pseudo, pool, Foreign.read(labels)):
        write_untrained(out, why)
    elif not started_as_ranks(*sections.training.processes, cluster.start().run_nodes):
        make_control(out, Examples.open("data/prepared/train", "data/augmented"), pseudo, sections, config, build)


if __name__ == "__main__":
    run_stage(main)
