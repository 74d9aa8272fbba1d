"""Stage `pseudo_label`: turns the teacher's most confident predictions on the unlabelled pool into labels."""

from pathlib import Path

from sprout.config.pseudo_label import PSEUDO_LABELS
from sprout.config.train import read_training
from sprout.config.workspace import choice, read_build
from sprout.data.store import open_store
from sprout.models.predictor import load_predictor, use_threads
from sprout.runtime.files import atomic_folder
from sprout.runtime.stage import run_stage
from sprout.selftraining.pseudo_labels import label_pool


def main() -> None:
    build = read_build()
    config = choice(build, "pseudo_label", "method", PSEUDO_LABELS)
    use_threads(read_training(build, "train").threads)
    teacher, pool = load_predictor(Path("models/teacher")), open_store(Path("data/prepared/unlabelled"))
    with atomic_folder(Path("data/pseudo_labels")) as folder:
        print(label_pool(folder, teacher, pool, config))


if __name__ == "__main__":
    run_stage(main)
