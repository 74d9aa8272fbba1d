"""Checks between sections: whether model, pretrained weights, task and method fit one another."""

from typing import get_args

from sprout.config.model import Autoencoder, Estimator, KMeans, Model, Target
from sprout.config.prepare import Prepare
from sprout.config.pretrained import Pretrained
from sprout.config.pseudo_label import NoPseudoLabels, PseudoLabel
from sprout.config.train import Fitting, GradientDescent, Training, learned_task
from sprout.methods import ScikitLearn, Supervised
from sprout.runtime.errors import UserError

IMAGE_MODELS = (Autoencoder, Target)
"""Models whose output can be an image."""


def check_together(model: Model, pretrained: Pretrained, trainings: dict[str, Training]) -> None:
    """Check that model, pretrained weights and trainings fit one another.

    Args:
        model: the section `model`.
        pretrained: the section `pretrained`.
        trainings: the sections `train` and `retrain`.

    Raises:
        UserError: they do not.
    """
    if isinstance(model, KMeans):
        check_features(model, pretrained)
    for section, training in trainings.items():
        if section == "retrain" and not learned_task(trainings["train"], model).has_pseudo_labels:
            continue  # there is no student
        check_method(section, training, model)
        if isinstance(training, GradientDescent):
            check_start(section, training)
            check_task(section, training, model)
            training.method.check(section, training.task)
            training.method.check_training(section, training.step_settings(fewest_processes(training)))
            check_unfreezing(section, training)


def check_folds(prepare: Prepare, pseudo_label: PseudoLabel, trainings: dict[str, Training]) -> None:
    """Check that nothing needs a validation split where there are folds.

    Args:
        prepare: the section `prepare`.
        pseudo_label: the section `pseudo_label`.
        trainings: the sections `train` and `retrain`.

    Raises:
        UserError: something does.
    """
    if prepare.folds is None:
        return
    key = f"prepare.folds={prepare.folds}"
    if not isinstance(pseudo_label, NoPseudoLabels):
        raise UserError(
            f"{key} with pseudo_label.method={pseudo_label.method}: pseudo-labels of a teacher that has learned "
            "from all folds would be measured too well; take pseudo_label=none and retrain=consistency; or "
            "prepare.folds=null with numbers for prepare.val and prepare.test"
        )
    for section, training in trainings.items():
        if isinstance(training, GradientDescent):
            check_fixed_length(key, section, training)


def check_fixed_length(key: str, section: str, training: GradientDescent) -> None:
    """Check that one process trains, and no validation split ends the training."""
    for name, count in (("devices", training.devices), ("nodes", training.nodes)):
        if count != 1:
            raise UserError(f"{section}.{name}={count} with {key}: so few labels need one device; set it to 1")
    for name, value in (("patience", training.patience), ("stopping_threshold", training.stopping_threshold)):
        if value is not None:
            raise UserError(
                f"{section}.{name}={value} with {key}: there is no validation split that could end a training; set "
                "it to null"
            )


def check_method(section: str, training: Training, model: Model) -> None:
    """Check that scikit-learn fits scikit-learn's models, and gradient descent trains networks."""
    estimator = isinstance(model, Estimator)
    if estimator != isinstance(training, Fitting):
        needs, file = (ScikitLearn.name, ScikitLearn.name) if estimator else (Supervised.name, "default")
        raise UserError(
            f"{section}.method.kind={training.method.kind}: model.name={model.name} needs {needs}; take train={file}, "
            "or another model"
        )


def check_start(section: str, training: GradientDescent) -> None:
    """Check that only the student starts from the teacher, and that layers are only frozen where they have learned."""
    if section == "train" and training.start == "teacher":
        raise UserError("train.start=teacher: the teacher is what train makes; accepted: pretrained, scratch")
    if training.start == "scratch" and training.unfreeze is not None:
        raise UserError(
            f"{section}.unfreeze: freezes layers, and {section}.start=scratch initialises them randomly; set it to "
            f"null, or {section}.start=pretrained"
        )


def check_features(model: KMeans, pretrained: Pretrained) -> None:
    """Check that k-means has a pretrained network if it clusters a network's features, and none otherwise."""
    if (model.features == "network") != (pretrained.source is not None):
        raise UserError(
            f"model.features={model.features} with pretrained.source={pretrained.source}: features=network needs "
            "the folder of a trained model, features=raw needs pretrained=none"
        )


def check_task(section: str, training: GradientDescent, model: Model) -> None:
    """Check that the model outputs an image if the task needs one, and numbers otherwise."""
    task = training.task
    if task.outputs_image and not isinstance(model, IMAGE_MODELS):
        names = ", ".join(get_args(kind.__annotations__["name"])[0] for kind in IMAGE_MODELS)
        raise UserError(
            f"{section}.task.kind={task.name}: model.name={model.name} does not output an image; accepted: {names}"
        )
    if not task.outputs_image and isinstance(model, Autoencoder):
        raise UserError(
            f"model.name={model.name}: outputs an image, which {section}.task.kind={task.name} cannot use; take "
            "train/task=denoise, or another model"
        )


def fewest_processes(training: GradientDescent) -> int:
    """Return the processes that share a step at least; auto is checked again where the devices are known."""
    return training.nodes * (1 if training.devices == "auto" else training.devices)


def check_unfreezing(section: str, training: GradientDescent) -> None:
    """Check that every group of layers joins before the last epoch; a later one would never be trained."""
    unfreeze, epochs = training.unfreeze, training.epochs
    if unfreeze is not None and max(unfreeze.epochs) >= epochs:
        allowed = f"up to {epochs - 1}, or " if epochs > 1 else ""
        last = f"{max(unfreeze.epochs)} epochs"
        raise UserError(
            f"{section}.unfreeze.epochs={list(unfreeze.epochs)}: no epoch is left after {last}, as the training has "
            f"{epochs}; accepted: {allowed}more {section}.epochs"
        )
