"""Section `prepare`: how examples are decoded and split, and how many of them keep their label."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Amount, Count, CountOrZero, Probability, Seed

Side = Annotated[int, Field(ge=1, le=8192)]
"""Pixels."""
Folds = Annotated[int, Field(ge=2, le=20)]
Edge = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class Prepare:
    first: Count | None
    """Use only the first examples of the source's training split; null means all of them."""
    test: Amount
    """Count or fraction of the examples to draw for the test split; null means the source's own test split."""
    val: Amount
    """Count or fraction of the examples outside of the test split to draw for the validation split; null means the
    source's own validation split, or none with `folds`."""
    folds: Folds | None
    """With few labels: no validation split, but cross-validation by so many folds of the labels. Each model of the
    build is trained once without each fold, and once on all labels; what the first ones predict for the examples that
    they have not seen decides in val's place. null means a validation split."""
    labels: Amount
    """Label budget: the number of training examples that keep their label, spread evenly over the classes, or the
    fraction of each class; the rest joins the unlabelled pool. null keeps all labels."""
    labels_per_class: Count | None
    """Label budget of each class; null if `labels` sets the budget."""
    strata: dict[str, tuple[Edge, ...]]
    """Features of a table by which the splits are stratified as well: the name and the inner edges of its bins."""
    size: tuple[Side, Side] | None
    """Height and width of the prepared images; null means those of the first image."""
    channels: Literal[1, 3] | None
    """1 for grey, 3 for colour; null means those of the first image."""
    resize: Literal["fit", "crop", "stretch", "none"]
    """fit pads the image with black, crop fills the frame and cuts off the rest, stretch ignores the aspect ratio, none
    treats an image of another size as faulty."""
    levels: tuple[Edge, Edge] | None
    """In images of more than 8 bits (16-bit or float files and arrays), what becomes black and what becomes white, the
    same for all images; values beyond are clipped. null: 0 and 65,535, and 0 and 1 in images of floats."""
    page: CountOrZero
    """Which page of a TIFF or frame of a GIF is the image, counted from 0."""
    max_pixels: Count
    """An image file with more pixels is faulty."""
    max_faulty: Probability
    """Faulty examples are left out up to this fraction; more of them end the stage with an error."""
    min_class_size: Count | None
    """A class with fewer examples to train on, or to draw from, is left out with all of them; null keeps all."""
    duplicates: Literal["move", "refuse", "keep"]
    """Images with equal pixels are never in two drawn splits. If the source's own splits share some: move keeps them in
    one split only (test before val before train), refuse ends the stage with an error, keep changes nothing."""
    near_duplicates: bool | None
    """Whether to search for near duplicates and report them; null means only in images of 64 pixels a side or more."""
    seed: Seed
    """Seed of the random draws."""

    def __post_init__(self) -> None:
        """Check that there are folds or a validation split, not both; and that white is above black."""
        if self.levels is not None and not self.levels[0] < self.levels[1]:
            raise ValueError(f"levels={list(self.levels)}: should be two numbers, the second one larger")
        if self.folds is not None and self.val is not None:
            raise ValueError(
                f"folds={self.folds} with val={self.val}: with folds there is no validation split; set prepare.val=null"
            )
