"""Reconstruction: the clean image from a noisy copy; needs no labels."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT
from sprout.tasks.base import Task
from sprout.tasks.confusion import write_confusion
from sprout.tasks.distances import Distance, distances
from sprout.tasks.interfaces import Criterion, Limits, TrainedModel
from sprout.tasks.scores import Errors, Metrics, Score

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from sprout.augment.draws import Draw
    from sprout.data.dataset import Examples
    from sprout.data.store import Array, Store
    from sprout.models.card import ModelCard


@dataclass(frozen=True, config=STRICT)
class Reconstruct(Task):
    kind: Literal["reconstruct"]
    """The clean image from a noisy copy; needs no labels."""
    loss: Distance
    """Between the pixels, in 0..1."""
    noise: Annotated[float, Field(ge=0, le=10)]
    """Standard deviation of the Gaussian noise on the input's pixels, in 0..1; 0 for a plain autoencoder."""

    name: ClassVar[str] = "reconstruct"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("noisy_mse", "Mean squared error of the input", "compact", False),
        Score("mse", "Mean squared error of the output", "compact", False),
        Score("noise_left", "Noise left", "share", False),
    )
    meaning: ClassVar[str | None] = (
        "Of pixels in 0..1. Noise left: the error of the output as a share of that of the input; 0 is best."
    )
    mlflow_type: ClassVar[str] = "autoencoder"
    outputs_image: ClassVar[bool] = True
    needs_images: ClassVar[bool] = True

    def criterion(self, train: "Examples", card: "ModelCard") -> Criterion:
        """The distance to the clean image."""
        return ImageCriterion(self.loss, self.noise)

    @property
    def input_noise(self) -> float | None:
        """The setting `noise`."""
        return self.noise

    def describe_outputs(self, classes: int) -> str:
        """The image."""
        return "the image itself"

    @classmethod
    def predictions(cls, outputs: "Array", card: "ModelCard") -> "Array":
        """(N, C, H, W) → (N, H, W, C) float32 in 0..1."""
        images: Array = outputs.clip(0, 1).transpose(0, 2, 3, 1)
        return images

    @classmethod
    def exported(cls, outputs: "Tensor", card: "ModelCard") -> "Tensor":
        """(N, C, H, W) → (N, H, W, C) in 0..1."""
        return outputs.clip(0, 1).permute(0, 2, 3, 1)

    @classmethod
    def examine(cls, predictor: TrainedModel, store: "Store", what: str) -> "Array":
        """Mean squared errors of the noisy images and of the restored ones, pixels in 0..1: (N, 2)."""
        import numpy as np

        none = np.zeros((0, 2), np.float32)
        errors = (squared_errors(predictor, store, rows) for rows in predictor.batches(store, what))
        return np.concatenate([none, *errors])

    @classmethod
    def examine_rows(cls, predictor: TrainedModel, store: "Store", rows: "Array") -> "Array":
        """The same for some rows: (n, 2)."""
        return squared_errors(predictor, store, rows)

    @classmethod
    def metrics(cls, outcomes: "Array", card: "ModelCard", store: "Store", bins: int) -> Metrics:
        """See `reconstruction_metrics`."""
        return reconstruction_metrics(*outcomes.T)

    @classmethod
    def errors(cls, outcomes: "Array", card: "ModelCard", store: "Store") -> Errors | None:
        """The mean squared errors of the restored images, which depend on the noise."""
        import numpy as np

        noise = np.full(len(outcomes), card.noise or 0.0)
        return Errors("mse", np.arange(len(outcomes)), noise, outcomes[:, 1].astype("float64"))

    @classmethod
    def summary(cls, metrics: Metrics, examples: int, *, crossed: bool = False) -> str:
        """The error of the output and of the input."""
        return f"mean squared error {metrics['mse']:.5f} of {metrics['noisy_mse']:.5f}"

    @classmethod
    def write_evaluation(
        cls,
        folder: Path,
        models: Mapping[str, TrainedModel],
        test: "Store",
        outcomes: "Mapping[str, Array]",
        limits: Limits,
    ) -> "pa.Table":
        """Write some restored images; return a row per test image.

        The columns are `row` and mean squared errors, pixels in 0..1: `noisy_mse`, and one of each model.
        """
        import numpy as np
        import pyarrow as pa

        write_confusion(folder, [], [])
        noisy_mse = outcomes["student"][:, 0]
        errors = {role: found[:, 1] for role, found in outcomes.items()}
        write_restored(folder, models["student"], test, errors["student"], limits.examples)
        return pa.table({"row": np.arange(len(noisy_mse)), "noisy_mse": noisy_mse} | errors)

    @classmethod
    def signature(cls, input_shape: list[int], classes: list[str]) -> tuple[str, tuple[int, ...]]:
        """(N, H, W, C) images."""
        return "float32", (-1, *input_shape)

    @classmethod
    def page(cls, inputs: Any, prepared: Path, examples: int) -> dict[str, Any]:
        """Images clean, noisy and restored, and their errors."""
        from sprout.report.pages.reconstruct import page

        return page(inputs, prepared, examples)


@plain_dataclass(frozen=True)
class ImageCriterion:
    """The mean distance of an image's pixels, in 0..1."""

    loss: Distance
    noise: float

    def network_input(self, scaled: "Tensor", draw: "Draw") -> "Tensor":
        """The noisy copies."""
        return noisy(scaled, draw, self.noise) if self.noise else scaled

    def losses(self, outputs: "Tensor", targets: "Tensor", scaled: "Tensor", *, training: bool) -> "Tensor":
        """(N, C, H, W) twice → (N,)."""
        return distances(self.loss, outputs, scaled).flatten(1).mean(dim=1)

    def metrics(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """Zeros: there is no metric beside the loss."""
        return outputs.new_zeros(len(outputs))


def noisy(images: "Tensor", draw: "Draw", std: float) -> "Tensor":
    """Images with Gaussian noise on every pixel, clipped to 0..1.

    Args:
        images: (N, C, H, W) float, 0..1.
        draw: see `draws`; outside of training, of the epoch `OUTSIDE` and the rows of the examples.
        std: standard deviation of the noise.
    """
    from sprout.augment.draws import normal

    return (images + std * normal(draw, images.shape).to(images)).clamp(0, 1)


def squared_errors(predictor: TrainedModel, store: "Store", rows: "Array") -> "Array":
    """Mean squared errors, pixels in 0..1, of the noisy images and of the restored ones: (n,) rows → (n, 2)."""
    import numpy as np

    clean, shown, restored = restore(predictor, store, rows)
    errors = [((images - clean) ** 2).reshape(len(rows), -1).mean(axis=1) for images in (shown, restored)]
    return np.stack(errors, axis=1)


def restore(predictor: TrainedModel, store: "Store", rows: "Array") -> "tuple[Array, Array, Array]":
    """Images, their noisy copies and the outputs of the model: three (n, C, H, W) float32, pixels in 0..1.

    The noise of an image depends on its row alone: every evaluation on a store has the same noise.
    """
    import torch

    from sprout.augment.draws import OUTSIDE, draws

    clean, std = predictor.scaled(store.take(rows)), predictor.card.noise
    shown = noisy(clean, draws(0, OUTSIDE, torch.from_numpy(rows)), std) if std else clean
    return clean.numpy(), shown.numpy(), predictor.network_outputs(shown).clip(0, 1)


def reconstruction_metrics(noisy_mse: "Array", restored_mse: "Array") -> Metrics:
    """Mean squared errors of the restored and of the noisy images, and the share of the noise that is left.

    Args:
        noisy_mse: (N,) mean squared error of each input of the model, pixels in 0..1; 0 without noise.
        restored_mse: (N,) the same of each output.

    Returns:
        `mse`, `noisy_mse` and `noise_left`, the first divided by the second, which is None where there is no noise; all
        are None where there is no image.
    """
    if not len(restored_mse):
        return dict.fromkeys(("mse", "noisy_mse", "noise_left"))
    mse, noise = float(restored_mse.mean(dtype="float64")), float(noisy_mse.mean(dtype="float64"))
    return {"mse": mse, "noisy_mse": noise, "noise_left": mse / noise if noise else None}


def write_restored(folder: Path, student: TrainedModel, test: "Store", errors: "Array", examples: int) -> None:
    """Write `restored.npz`: `row` (n,), and `clean`, `noisy` and `restored` images, each (n, H, W, C) uint8.

    The images are spaced evenly by their rank, from the least error to the largest.

    Args:
        folder: the folder of the evaluation.
        student: the final model.
        test: the test split.
        errors: (N,) its mean squared errors on test.
        examples: how many, at most.
    """
    import numpy as np

    ranked = np.argsort(errors, kind="stable")
    rows = ranked[np.unique(np.linspace(0, len(ranked) - 1, min(examples, len(ranked))).round().astype(int))]
    three = restore(student, test, rows) if len(rows) else [np.zeros((0, *test.shape[2:], *test.shape[:2]))] * 3
    clean, shown, restored = ((images * 255).round().astype(np.uint8).transpose(0, 2, 3, 1) for images in three)
    np.savez_compressed(folder / "restored.npz", row=rows, clean=clean, noisy=shown, restored=restored)
