"""Stage `evaluate`: teacher and student on the test split; the only stage that reads test and truth."""

from pathlib import Path

from sprout.core.atomic import whole_folder
from sprout.core.stage import run_stage
from sprout.core.store import open_store
from sprout.core.workspace import choice, read_build, section
from sprout.evaluate import evaluate, pseudo_label_quality, write_curves
from sprout.models.inference import load_predictor, use_threads
from sprout.settings.results import Evaluate, Report
from sprout.settings.train import TRAININGS
from sprout.tracked_evaluation import track_evaluation


def main() -> None:
    build, prepared = read_build(), Path("data/prepared")
    use_threads(choice(build, "train", "method", TRAININGS).threads)
    folders = {role: Path("models") / role for role in ("teacher", "student")}
    models = {role: load_predictor(folder) for role, folder in folders.items()}
    accepted = pseudo_label_quality(Path("data/pseudo_labels"), prepared / "truth.parquet")
    bins, examples = section(build, "evaluate", Evaluate).bins, section(build, "report", Report).examples
    with whole_folder(Path("reports/evaluation")) as folder:
        evaluate(folder, models, open_store(prepared / "test"), bins=bins, examples=examples, accepted=accepted)
        write_curves(folder / "curves", {role: model / "history.csv" for role, model in folders.items()})
    track_evaluation(build, Path("reports/evaluation"))


if __name__ == "__main__":
    run_stage(main)
