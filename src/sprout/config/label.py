"""Section `label`: which unlabelled examples a person labels next. No stage reads it. `strategy` selects a class."""

from typing import Literal

from pydantic.dataclasses import dataclass

from sprout.config.fields import STRICT, Count


@dataclass(frozen=True, config=STRICT)
class Batches:
    """What all strategies share."""

    batch: Count
    """How many images are chosen at once."""


@dataclass(frozen=True, config=STRICT)
class Random(Batches):
    strategy: Literal["random"]
    """A random sample, as val and test need."""


@dataclass(frozen=True, config=STRICT)
class Margin(Batches):
    strategy: Literal["margin"]
    """The examples whose two most probable classes are nearest to each other (Scheffer et al., 2001)."""


@dataclass(frozen=True, config=STRICT)
class Entropy(Batches):
    strategy: Literal["entropy"]
    """The examples whose predicted probabilities have the highest entropy (Settles and Craven, 2008)."""


@dataclass(frozen=True, config=STRICT)
class Coverage(Batches):
    strategy: Literal["coverage"]
    """Examples whose features differ from those of the labelled ones; predictions are not used."""
    rule: Literal["typical", "farthest"]
    """The most typical example of each cluster without a label (TypiClust: Hacohen et al., 2022), or the one that is
    farthest from all labelled ones (k-centre greedy: Sener and Savarese, 2018)."""
    neighbours: Count
    """How many neighbours in its cluster say how typical an example is; the rule farthest has none."""


@dataclass(frozen=True, config=STRICT)
class Mixture(Batches):
    strategy: Literal["mixture"]
    """The examples to which most of the uncertain ones are near, and no labelled one (facility location: Wei et al.,
    2015, with uncertainties as weights). Before there is a model, those of the rule typical of `coverage`."""
    neighbours: Count
    """Examples are near at the distance of their neighbour of this rank."""


Label = Random | Margin | Entropy | Coverage | Mixture
"""The ways to select examples."""
LABELS: dict[str, type[Label]] = {
    "random": Random,
    "margin": Margin,
    "entropy": Entropy,
    "coverage": Coverage,
    "mixture": Mixture,
}
"""Dataclass of the section by its key `strategy`."""
