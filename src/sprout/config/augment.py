"""Section `augment`: augmented copies of the labelled training examples, written to disk before training.

`Transforms` is also part of `train` and `retrain`, with new random draws in every epoch.
"""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, CountOrZero, NotNegative, Probability, Seed, Share

OF_ROWS = ("drop",)
"""The transforms of rows of a table; the others are those of images."""
Degrees = Annotated[float, Field(ge=0, le=180)]


@dataclass(frozen=True, config=STRICT)
class Transforms:
    flip: Probability
    """Probability of a horizontal flip (left-right)."""
    flip_vertical: Probability
    """Probability of a vertical flip (up-down)."""
    shift: Share
    """Largest shift along each axis, as a fraction of the image's side; drawn uniformly from ± this value. Without a
    rotation, zoom, shear or crop, images are shifted by whole pixels and stay as sharp as they were."""
    rotate: Degrees
    """Largest rotation in degrees; drawn uniformly from ± this value."""
    zoom: Share
    """Largest change of scale: the factor is drawn uniformly from 1 ± this value."""
    shear: Annotated[float, Field(ge=0, lt=90)]
    """Largest horizontal shear in degrees; drawn uniformly from ± this value."""
    crop: Share
    """Largest fraction of each side that is cut off: a random window of 1 − this value to 1 of the sides is resized to
    the image's size."""
    gamma: NotNegative
    """Largest change of gamma: pixels in 0..1 are raised to the power of e^x, x drawn uniformly from ± this value.
    Black and white stay as they are."""
    brightness: Probability
    """Largest change of brightness: every pixel is multiplied by a factor from 1 ± this value."""
    contrast: Probability
    """Largest change of contrast: every pixel's difference from the image's mean grey is multiplied by a factor from
    1 ± this value."""
    colour: Probability
    """Largest change of saturation: every pixel's difference from its own grey value is multiplied by a factor from
    1 ± this value. Grey images do not change."""
    noise: NotNegative
    """Standard deviation of Gaussian noise that is added to pixels in 0..1."""
    erase: Share
    """Sides of an erased rectangle at a random place, as a fraction of the image's sides (Cutout: DeVries and Taylor,
    2017)."""
    drop: Share
    """Column dropout, for rows of a table and not for images: the probability that an entry is replaced by the value
    that normalising makes 0, with normalise=standard the mean of its feature."""
    fill: Literal["zeros", "border", "reflection"]
    """How the area outside of a moved image is filled."""

    @property
    def active(self) -> dict[str, float]:
        """The transforms that change something, by name; `fill` alone does not."""
        return {key: value for key, value in vars(self).items() if value and not isinstance(value, str)}

    def unfit(self, *, images: bool) -> dict[str, float]:
        """Those of them that are not for images, or not for rows of a table."""
        return {key: value for key, value in self.active.items() if (key in OF_ROWS) == images}


@dataclass(frozen=True, config=STRICT)
class Augment:
    copies: CountOrZero
    """Copies of each labelled training example; 0 means none."""
    seed: Seed
    """Seed of the random draws."""
    transforms: Transforms
    """The transforms of the copies."""

    def __post_init__(self) -> None:
        """Refuse copies that equal their originals: they would only make the training longer."""
        if self.copies and (unfit := self.transforms.unfit(images=True)):
            raise ValueError(
                f"transforms.{next(iter(unfit))}: changes rows of a table, and copies are of images; set it to 0"
            )
        if self.copies and not self.transforms.active:
            raise ValueError(
                f"copies={self.copies} without a transform: the copies would equal their originals; set a transform, "
                "take augment=shifted, or set copies to 0"
            )
