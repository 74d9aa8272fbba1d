"""All models of a build, measured; and the one that it hands on, to be explained."""

from dataclasses import dataclass
from pathlib import Path

from sprout.config.cluster import Cluster
from sprout.config.train import Training
from sprout.data.store import Array, open_store
from sprout.evaluate.audit import Labels
from sprout.evaluate.evaluate import Tested, evaluate, examine
from sprout.evaluate.labellers import labellings, write_audit
from sprout.evaluate.ranges import open_model
from sprout.evaluate.val_errors import write_val_errors
from sprout.models.predictor import Predictor
from sprout.runtime.model_folder import own_models, read_card
from sprout.tasks.interfaces import Limits


@dataclass(frozen=True)
class HandedOn:
    """The model that a build hands on."""

    predictor: Predictor
    folder: Path
    """Its model folder."""
    tested: Tested
    """The examples that it is tested on."""
    outcomes: Array
    """What it gives for them, as `Task.outcomes` returns it."""
    pool_labels: Labels | None
    """The labels that the unlabelled examples got; None where they got none."""


def evaluate_build(
    folder: Path,
    models: Path,
    prepared: Path,
    pseudo_labels: Path,
    retrain: Training,
    limits: Limits,
    cluster: Cluster,
) -> HandedOn:
    """Write the evaluation.

    Args:
        folder: an empty folder.
        models: the folder of the model folders.
        prepared: the folder of the stage `prepare`.
        pseudo_labels: the folder of the stage `pseudo_label`.
        retrain: the student's settings.
        limits: bins of the calibration curve, and images that are kept for the report.
        cluster: where many examples are examined.

    Raises:
        UserError: a model or a store is damaged, or the machines of a cluster cannot examine the examples.
    """
    kept = read_card(models / "student")["kept"]
    role, opened = kept or "student", {role: open_model(one) for role, one in own_models(models).items()}
    with cluster.start().keeping() as engine:  # there are several passes over stores
        labels = labellings(opened["student"], prepared, pseudo_labels, retrain, cluster)
        tested = examine(opened, open_store(prepared / "test"), prepared, engine)
        audited = write_audit(folder, labels, opened["teacher"].predictor.classes)
        evaluate(folder, opened, tested, limits, audited, kept)
        write_val_errors(folder, opened[role], prepared, engine, f"val: {role}")
    of_pool = [each.pool for each in labels.values()]
    return HandedOn(*opened[role], tested, tested.outcomes[role], of_pool[-1] if of_pool else None)
