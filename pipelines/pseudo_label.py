"""Stage `pseudo_label`: the teacher's surest guesses on the unlabelled pool become labels."""

from dataclasses import asdict
from pathlib import Path

from sprout.core.atomic import whole_folder
from sprout.core.lean_arrow import leave_pandas_out
from sprout.core.stage import run_stage
from sprout.core.store import open_store
from sprout.core.workspace import choice, read_build, section
from sprout.models.inference import load_predictor, use_threads
from sprout.pseudo_label import label_pool
from sprout.settings.pseudo_label import PseudoLabel
from sprout.settings.train import TRAININGS


def main() -> None:
    leave_pandas_out()
    build = read_build()
    settings = asdict(section(build, "pseudo_label", PseudoLabel))
    use_threads(choice(build, "train", "method", TRAININGS).threads)
    teacher, pool = load_predictor(Path("models/teacher")), open_store(Path("data/prepared/unlabelled"))
    with whole_folder(Path("data/pseudo_labels")) as folder:
        print(label_pool(folder, teacher, pool, **settings))


if __name__ == "__main__":
    run_stage(main)
