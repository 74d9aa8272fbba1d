"""Section `prepare`: how examples are decoded, which go into which split, and how many of them keep their label."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Amount, Count, Probability, Seed

Side = Annotated[int, Field(ge=1, le=8192)]
"""Pixels."""
Edge = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class Prepare:
    first: Count | None
    """Use the first so many examples of the source's training part; null means all of them."""
    test: Amount
    """Examples, or the share, drawn for the test split; null means the source's own test part."""
    val: Amount
    """Examples, or the share of what the test split left, drawn for the validation split; null means the source's own
    validation part."""
    labels: Amount
    """Label budget: so many training examples, spread evenly over the classes, or that share of each class keep their
    label; the rest joins the unlabelled pool. null means that all labels are kept."""
    labels_per_class: Count | None
    """The same budget for each class instead; null where `labels` says it."""
    strata: dict[str, tuple[Edge, ...]]
    """Features of a table by whose bins the splits are stratified too: name and the bins' inner edges."""
    size: tuple[Side, Side] | None
    """Height and width to bring images to; null means that of the first one."""
    channels: Literal[1, 3] | None
    """1 for grey, 3 for colour; null means those of the first image."""
    resize: Literal["fit", "crop", "stretch", "none"]
    """fit shows the whole image on black, crop fills the frame and cuts what is over, stretch gives up the
    proportions, none takes an image of another size for a fault."""
    max_pixels: Count
    """An image file of more pixels is a fault."""
    max_faulty: Probability
    """The share of faulty examples up to which they are left out; more of them end the stage."""
    duplicates: Literal["move", "refuse", "keep"]
    """Images that are equal pixel by pixel never lie in two drawn splits. Where the source's own parts share some: move
    leaves one of them (test before val before training), refuse ends the stage, keep leaves them as they are."""
    near_duplicates: bool | None
    """Whether to look for near duplicates and report them; null means images of at least 64 pixels a side."""
    seed: Seed
    """Seed of the draws."""
