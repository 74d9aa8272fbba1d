"""Stage `retrain`: the student, on true labels, their augmented copies and pseudo-labels."""

from dataclasses import asdict
from pathlib import Path

from sprout.batches import Examples
from sprout.running.ranks import started_as_ranks
from sprout.running.stage import stage
from sprout.settings.model import MODELS
from sprout.settings.tracking import Tracking
from sprout.settings.train import Train
from sprout.settings.workspace import choice, read_build, section
from sprout.store import open_store, read_labels
from sprout.training.tracked import keep_teacher, train_tracked


def main() -> None:
    build, pseudo_labels = read_build(), read_labels(Path("data/pseudo_labels"))
    settings = asdict(section(build, "retrain", Train)) | asdict(section(build, "tracking", Tracking))
    settings["architecture"] = asdict(choice(build, "model", "name", MODELS))
    if not pseudo_labels.num_rows:
        keep_teacher(Path("models/teacher"), Path("models/student"), build)
    elif not started_as_ranks(settings["devices"]):
        given = [open_store(Path(path)) for path in ("data/prepared/train", "data/augmented")]
        parts = [(store, store.labels) for store in given]
        examples = Examples([*parts, (open_store(Path("data/prepared/unlabelled")), pseudo_labels)])
        train_tracked(
            Path("models/student"), examples, Path("data/prepared"), build, role="student", **settings
        )


if __name__ == "__main__":
    with stage():
        main()
