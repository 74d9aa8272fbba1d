"""Stage `evaluate`: teacher and student on the test split; the only stage that reads test and truth."""

from pathlib import Path

import pyarrow.parquet as pq

from sprout.evaluate import evaluate, pseudo_label_quality
from sprout.inference import load_predictor, probabilities_of, use_threads
from sprout.records import read_json
from sprout.running.atomic import whole_folder
from sprout.running.stage import stage
from sprout.settings.results import Evaluate
from sprout.settings.train import Train
from sprout.settings.workspace import read_build, section
from sprout.store import open_store, read_labels
from sprout.tracked_evaluation import track_evaluation


def main() -> None:
    build, prepared = read_build(), Path("data/prepared")
    test, bins = open_store(prepared / "test"), section(build, "evaluate", Evaluate).bins
    use_threads(section(build, "train", Train).threads)
    models = {role: load_predictor(Path("models") / role) for role in ("teacher", "student")}
    found = {role: probabilities_of(model, test, f"test: {role}") for role, model in models.items()}
    accepted = pseudo_label_quality(
        read_labels(Path("data/pseudo_labels")), pq.read_table(prepared / "truth.parquet")
    )
    labels, classes = test.labels["label"].to_numpy(), read_json(prepared / "classes.json")
    with whole_folder(Path("reports/evaluation")) as folder:
        evaluate(folder, found, labels, classes, bins=bins, accepted=accepted)
    track_evaluation(build, Path("reports/evaluation"))


if __name__ == "__main__":
    with stage():
        main()
