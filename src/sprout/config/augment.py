"""Section `augment`: extra copies of the labelled training examples, written once, before training.

`Transforms` also stands in `train` and `retrain`: there it draws anew in every epoch.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, CountOrZero, NotNegative, Probability, Seed, Share

Degrees = Annotated[float, Field(ge=0, le=180)]


@dataclass(frozen=True, config=STRICT)
class Transforms:
    flip: Probability
    """Probability of a left-right flip."""
    flip_vertical: Probability
    """Probability of an up-down flip."""
    shift: Share
    """Largest shift along each axis, as a share of the image's side; drawn uniformly from ± this. Without a rotation,
    zoom, shear or crop it is by whole pixels, which leaves the image as sharp as it was."""
    rotate: Degrees
    """Largest rotation in degrees; drawn uniformly from ± this."""
    zoom: Share
    """Largest change of scale: the factor is drawn uniformly from 1 ± this."""
    shear: Annotated[float, Field(ge=0, lt=90)]
    """Largest horizontal shear in degrees; drawn uniformly from ± this."""
    crop: Share
    """Largest share of the sides that is cut off: a window of 1 to 1 − this of them, at a random place, is enlarged."""
    brightness: Probability
    """Largest change of brightness: every pixel is multiplied by a factor from 1 ± this."""
    contrast: Probability
    """Largest change of contrast: every pixel's distance from the image's mean grey is multiplied by 1 ± this."""
    colour: Probability
    """Largest change of saturation: every pixel's distance from its own grey is multiplied by a factor from 1 ± this.

    An image of one channel, or of greys, stays as it is.
    """
    noise: NotNegative
    """Standard deviation of Gaussian noise on pixels in 0..1."""
    erase: Share
    """Sides of an erased rectangle as a share of the image's, at a random place (Cutout)."""
    fill: Literal["zeros", "border", "reflection"]
    """What stands where a moved image leaves a gap."""


@dataclass(frozen=True, config=STRICT)
class Augment:
    copies: CountOrZero
    """Extra copies of each labelled training example; 0 means none."""
    seed: Seed
    """Seed of the draws."""
    transforms: Transforms
    """What each copy goes through."""

    def __post_init__(self) -> None:
        """Copies that equal their originals would only make training longer."""
        if self.copies and not moving(asdict(self.transforms)):
            raise ValueError(
                f"copies={self.copies} without a transform: they would equal their originals; set a transform, such as "
                "all of augment=shifted, or copies to 0"
            )


def moving(transforms: dict[str, Any]) -> dict[str, Any]:
    """The transforms that change something; how a gap is filled is a text and moves nothing by itself."""
    return {key: value for key, value in transforms.items() if value and not isinstance(value, str)}
