"""Stage `retrain`: trains the student on labels and the unlabelled pool, and keeps it unless its rival is better."""

from pathlib import Path

from sprout.config.cluster import read_cluster
from sprout.config.workspace import read_build
from sprout.data.dataset import Examples
from sprout.data.foreign import Foreign
from sprout.data.store import open_store, read_labels
from sprout.runtime.launch import started_as_ranks
from sprout.runtime.stage import run_stage


def main() -> None:
    cluster = read_cluster().with_kernels()
    # Here, as torch takes seconds to import, in which a signal is to end the stage as at any other time.
    from sprout.engine.tracked import TrainingSections
    from sprout.selftraining.control import is_trained, nothing_to_learn
    from sprout.selftraining.student import keep_teacher, make_student

    build, pseudo = read_build(), read_labels(Path("data/pseudo_labels"))
    sections, models, prepared = TrainingSections.of(build, "retrain"), Path("models"), Path("data/prepared")
    pool, foreign = open_store(prepared / "unlabelled"), Foreign.read(Path("data/pseudo_labels"))
    if why := nothing_to_learn(sections, pseudo.num_rows, len(pool), foreign):
        keep_teacher(models / "teacher", models / "student", why)
    elif not started_as_ranks(*sections.training.processes, cluster.start().run_nodes):
        examples = Examples.open("data/prepared/train", "data/augmented").with_rows("data/prepared/unlabelled", pseudo)
        rival = "control" if is_trained(models / "control") else "teacher"
        make_student(models / "student", examples, sections, build, pool, foreign, (rival, models / rival))


if __name__ == "__main__":
    run_stage(main)
