"""Whether a new version has less error than the champion, on the same val examples and beyond chance."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sprout.evaluate.val_errors import VAL_ERRORS, ValErrors, read_val_errors
from sprout.tracking.paired import Difference, paired_classes, paired_numbers
from sprout.tracking.reading.facts import artifact_file
from sprout.tracking.registry.versions import SERVER_ERROR
from sprout.tracking.tags import WEIGHTS_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

FOLDER = "registry"
"""Among the artifacts of a build's run: the errors of its registered models, each in a folder named by the weights."""
OF_CLASSES = "error_rate"


@dataclass(frozen=True)
class Verdict:
    """What comes of a new version."""

    wins: bool
    """Whether it becomes the champion."""
    why: str
    """In a sentence."""


def judge(client: "MlflowClient", champion: "ModelVersion", errors: ValErrors | None) -> Verdict:
    """Compare a new version with the champion.

    Args:
        client: of the store.
        champion: the present one.
        errors: those of the new version; None for a task whose models are not compared.
    """
    against = f"the champion, version {champion.version}"
    if errors is None:
        return Verdict(False, f"Not compared with {against}: models of this task are not compared example by example.")
    of_champion = errors_of(client, champion)
    if of_champion is None:
        return Verdict(False, f"Not compared with {against}: the store has not its errors on val.")
    noun = "cross-validated labels" if errors.crossed else "val examples"
    if not len(errors.errors) or of_champion.examples != errors.examples:
        why = "the two were measured on different examples" if len(errors.errors) else f"there are no {noun}"
        return Verdict(False, f"Not compared with {against}: {why}.")
    found = pair(of_champion, errors)
    wins = found.beyond_chance and found.difference < 0
    return Verdict(wins, f"{sentence(found, errors.measure, noun)}, compared with {against}.")


def pair(first: ValErrors, second: ValErrors) -> Difference:
    """Return how the errors of two models differ."""
    one, other = first.errors, second.errors
    if second.measure == OF_CLASSES:
        return paired_classes(int((other > one).sum()), int((one > other).sum()), len(one), crossed=second.crossed)
    return paired_numbers(one, other)


def sentence(found: Difference, measure: str, noun: str) -> str:
    """Return how a new version differs from another one, without a full stop."""
    scale, unit, test = (100, " points", "McNemar") if measure == OF_CLASSES else (1, "", "paired t")
    digits = ".1f" if measure == OF_CLASSES else ".3g"
    changed = "less" if found.difference < 0 else "more"
    size = f"{abs(scale * found.difference):{digits}}{unit} {changed}" if found.difference else "no other"
    what = "error" if measure == OF_CLASSES else measure
    return (
        f"{size[0].upper()}{size[1:]} {what} on the same {found.examples:,} {noun} (95% interval "
        f"{scale * found.low:+{digits}} to {scale * found.high:+{digits}}{unit}, {test} p = {found.p:.2g}), "
        f"{'beyond' if found.beyond_chance else 'within'} chance"
    )


def errors_of(client: "MlflowClient", version: "ModelVersion") -> ValErrors | None:
    """Return the errors of a version on val; None if the store has them no more, or never had."""
    from mlflow.exceptions import MlflowException

    if not version.run_id or WEIGHTS_TAG not in version.tags:
        return None
    try:
        run = client.get_run(version.run_id)
        with artifact_file(client, run, f"{folder_of(version.tags[WEIGHTS_TAG])}/{VAL_ERRORS}") as path:
            return None if path is None else read_val_errors(path)
    except MlflowException as error:
        if error.get_http_status_code() >= SERVER_ERROR:
            raise
        return None  # the run was removed for good


def folder_of(weights: str) -> str:
    """Return the artifact folder with the errors of a registered model."""
    return f"{FOLDER}/{weights[:12]}"
