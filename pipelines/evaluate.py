"""Stage `evaluate`: measures the models on the test split; no other stage reads test and truth."""

from pathlib import Path

from sprout.config.results import Evaluate, Report
from sprout.config.train import read_training
from sprout.config.workspace import read_build, section
from sprout.data.store import open_store
from sprout.evaluate.curves import write_curves
from sprout.evaluate.evaluate import evaluate, examine
from sprout.evaluate.labellers import labellings, write_audit
from sprout.evaluate.val_errors import write_val_errors
from sprout.models.predictor import load_predictor, use_threads
from sprout.runtime.files import atomic_folder
from sprout.runtime.model_folder import own_models, read_card
from sprout.runtime.stage import run_stage
from sprout.tasks.base import Limits


def main() -> None:
    build, prepared, out = read_build(), Path("data/prepared"), Path("reports/evaluation")
    use_threads(read_training(build, "train").threads)
    trained, kept = own_models(Path("models")), read_card(Path("models/student"))["kept"]
    models = {role: load_predictor(folder) for role, folder in trained.items()}
    labels = labellings(models, trained, prepared, Path("data/pseudo_labels"), read_training(build, "retrain"))
    limits = Limits(section(build, "evaluate", Evaluate).bins, section(build, "report", Report).examples)
    with atomic_folder(out) as folder, atomic_folder(Path("reports/curves")) as curves:
        tested = examine(models, open_store(prepared / "test"), trained, prepared)
        evaluate(folder, models, tested, limits, write_audit(folder, labels, models["teacher"].classes), kept)
        write_val_errors(folder, kept or "student", trained, models, prepared)
        write_curves(curves, trained)


if __name__ == "__main__":
    run_stage(main)
