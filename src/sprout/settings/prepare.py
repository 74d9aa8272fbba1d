"""Section `prepare`: which examples go into which split, and how many of them keep their label."""

from pydantic.dataclasses import dataclass

from sprout.core.fields import STRICT, Count, Seed


@dataclass(frozen=True, config=STRICT)
class Prepare:
    first: Count | None
    """Use the first so many examples of the source's training part; null means all of them."""
    test: Count | None
    """Examples drawn for the test split; null means the source's own test part."""
    val: Count
    """Examples drawn for the validation split."""
    labels: Count | None
    """Label budget: so many training examples keep their label, spread evenly over the classes; the
    rest becomes the unlabelled pool. null means that all labels are kept and the pool is empty."""
    seed: Seed
    """Seed of the draws."""
