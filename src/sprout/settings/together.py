"""Sections that must fit one another."""

from typing import Any

from sprout.core.errors import UserError
from sprout.settings.model import ESTIMATORS

FOR_IMAGES = ("autoencoder", "target")
"""Models that can give an image back."""


def check_together(config: dict[str, Any]) -> None:
    """Check that the model is one that the training can train.

    Raises:
        UserError: scikit-learn's models and gradient descent are mixed, or a task and a model that cannot do it.
    """
    model = config["model"]["name"]
    if config["pretrained"]["source"] is not None and model in ("logistic", "forest"):
        raise UserError(f"pretrained.source is set, and model.name={model} starts from nothing; set it to null")
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
