"""Opening a trained model by its name."""

from functools import partial
from pathlib import Path

from sprout.config.pretrained import TORCHVISION
from sprout.models.card import ModelCard, load_card
from sprout.models.predictor import load_predictor
from sprout.predict.image_format import NO_RESIZE, RESIZES, image_format, prepared_with
from sprout.predict.model import Model
from sprout.predict.named_model import model_folder
from sprout.predict.replicas import Replicas, devices, on_cpu_alone
from sprout.runtime.errors import UserError
from sprout.runtime.workspace import student_folder


def load(name: str | Path | None = None, *, resize: str | None = None, device: str = "auto") -> Model:
    """Open a trained model.

    Args:
        name: a model folder; models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN of the tracking store; None is the
            student of the workspace at or above the current folder.
        resize: for images of another size: fit, crop, stretch or none, which refuses them; None takes that of the
            model's data, and fit where that has none.
        device: auto takes all GPUs that there are; cpu; or one such as cuda:1.

    Raises:
        UserError: there is no such model, or an argument does not fit it.
    """
    if resize not in (None, *RESIZES):
        raise UserError(f"resize={resize}: accepted: {', '.join(RESIZES)}")
    if str(name).startswith(TORCHVISION):
        raise UserError(f"{name}: a network of torchvision, which only `sprout predict` takes; give a model folder")
    name = student_folder() if name is None else name
    with model_folder(str(name)) as folder:
        card = load_card(folder)
        images = takes_images(str(name), card)
        if resize is not None and not images:
            raise UserError(f"resize={resize}: {name} takes rows of a table; leave it out")
        on = devices(device)
        predictor = load_predictor(folder, None if on_cpu_alone(on) else partial(Replicas, devices=on))
        target = image_format(folder, card, resize) if images else None
        asked = resize is not None or prepared_with(folder).get("resize", NO_RESIZE) != NO_RESIZE
    return Model(str(name), predictor, target, asked=asked, devices=len(on))


def takes_images(name: str, card: ModelCard) -> bool:
    """Whether a model takes images.

    Raises:
        UserError: it takes images that no file holds.
    """
    if len(card.input_shape) != 3:
        return False
    if card.input_shape[2] not in (1, 3):
        raise UserError(f"{name}: takes images of {card.input_shape[2]} channels, which no image file has")
    return True
