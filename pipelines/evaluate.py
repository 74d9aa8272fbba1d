"""Stage `evaluate`: measures the models on the test split; no other stage reads test and truth."""

from pathlib import Path

from sprout.config.cluster import read_cluster
from sprout.config.evaluate import Evaluate
from sprout.config.results import Report
from sprout.config.train import read_training
from sprout.config.workspace import read_build, section
from sprout.runtime.files import atomic_folder
from sprout.runtime.model_folder import own_models
from sprout.runtime.stage import run_stage
from sprout.tasks.interfaces import Limits


def main() -> None:
    cluster = read_cluster().with_kernels()
    from sprout.evaluate.curves import write_curves  # here, as torch takes seconds, in which a signal is answered
    from sprout.evaluate.evaluate_build import evaluate_build
    from sprout.explain.subject import Subject
    from sprout.explain.write import write_explanations
    from sprout.models.predictor import use_threads

    build, models, prepared = read_build(), Path("models"), Path("data/prepared")
    settings, retrain = section(build, "evaluate", Evaluate), read_training(build, "retrain")
    use_threads(read_training(build, "train").threads)
    with atomic_folder(Path("reports/evaluation")) as folder, atomic_folder(Path("reports/curves")) as curves:
        limits = Limits(settings.bins, section(build, "report", Report).examples)
        handed_on = evaluate_build(folder, models, prepared, Path("data/pseudo_labels"), retrain, limits, cluster)
        write_explanations(folder, Subject(handed_on, prepared), settings.explain)
        write_curves(curves, own_models(models))


if __name__ == "__main__":
    run_stage(main)
