"""Sections that must fit one another."""

from typing import Any

from sprout.config.augment import moving
from sprout.config.model import ESTIMATORS
from sprout.runtime.errors import UserError

FOR_IMAGES = ("autoencoder", "target")
"""Models that can give an image back."""


def check_together(config: dict[str, Any]) -> None:
    """Check that the model is one that the training can train.

    Raises:
        UserError: scikit-learn's models and gradient descent are mixed, or a task and a model that cannot do it.
    """
    model = config["model"]["name"]
    if model in ESTIMATORS:
        check_features(config)
    for section in ("train", "retrain"):
        method = "scikit_learn" if model in ESTIMATORS else "gradient_descent"
        if config[section]["method"] != method:
            choose = "scikit_learn" if model in ESTIMATORS else "default"
            raise UserError(
                f"{section}.method={config[section]['method']}: model.name={model} is trained by {method}; take "
                f"train={choose} and retrain={choose}, or another model"
            )
        if method == "gradient_descent":
            check_task(section, config[section]["task"]["kind"], model)
            check_views(section, config[section])
            check_unfreezing(section, config[section])


def check_features(config: dict[str, Any]) -> None:
    """k-means compares a network's features where there is one, and only there."""
    features, source = config["model"].get("features", "raw"), config["pretrained"]["source"]
    if (features == "network") != (source is not None):
        raise UserError(
            f"model.features={features} with pretrained.source={source}: network needs the folder of a trained model, "
            "raw takes none"
        )


def check_task(section: str, task: str, model: str) -> None:
    """An autoencoder gives an image, the others numbers."""
    if task == "reconstruct" and model not in FOR_IMAGES:
        raise UserError(
            f"{section}.task.kind=reconstruct: model.name={model} gives no image; accepted: {', '.join(FOR_IMAGES)}"
        )
    if task != "reconstruct" and model == "autoencoder":
        raise UserError(
            f"model.name=autoencoder: gives an image, and {section} learns to {task}; take train/task=denoise"
        )


def check_views(section: str, training: dict[str, Any]) -> None:
    """Two views of an example differ by the transforms, and are told from all others in the step."""
    if training["task"]["kind"] != "cluster":
        return
    parts = {key: training[key] for key in ("accumulate", "devices", "nodes") if training[key] > 1}
    if parts:
        asked = ", ".join(f"{section}.{key}={value}" for key, value in parts.items())
        raise UserError(f"{asked}: task.kind=cluster tells each view from all others of the step; set 1")
    if not moving(training["transforms"]):
        raise UserError(
            f"{section}.transforms: all are off, and task.kind=cluster tells views apart that they make; take "
            "train/transforms=shifts"
        )


def check_unfreezing(section: str, training: dict[str, Any]) -> None:
    """A part that joins after the last epoch would never learn."""
    unfreeze, epochs = training["unfreeze"], training["epochs"]
    if unfreeze is not None and max(unfreeze["epochs"]) >= epochs:
        up_to = f"up to {epochs - 1}, or " if epochs > 1 else ""
        raise UserError(
            f"{section}.unfreeze.epochs={list(unfreeze['epochs'])}: the training has {epochs} epochs, counted from 0; "
            f"accepted: {up_to}more {section}.epochs"
        )
