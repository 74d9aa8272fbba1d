"""Whether data can be built with its settings: the checks and draws of `prepare`, without its decoding."""

from typing import Any

import numpy as np

from sprout.own_data.look import Look
from sprout.prepare.classes import targets
from sprout.prepare.groups import equal_pictures, given_groups, joined
from sprout.prepare.shared import settle, shared_pictures
from sprout.prepare.splits import split, strata_of
from sprout.prepare.stores import given_splits
from sprout.sources.listing import Array, Listing

AMOUNTS = ("first", "test", "val", "labels", "labels_per_class", "seed")


def shared_out(listing: Listing, seen: Look, settings: dict[str, Any]) -> dict[str, Array]:
    """The rows of each split, as `prepare` would draw them.

    Args:
        listing: what there is.
        seen: what is known of it.
        settings: the section `prepare`.

    Raises:
        UserError: it would refuse.
    """
    sound = seen.sound
    learned, given = targets(listing, sound), given_splits(listing.split, len(listing))
    pictures = np.arange(len(listing)) if seen.digests is None else equal_pictures(seen.digests, sound)
    used = settle(shared_pictures(sound, given, pictures), sound, given, listing.origin, settings["duplicates"])
    groups = joined(given_groups(listing.group, len(listing)), pictures)
    strata = strata_of(learned, None, None, settings["strata"])
    return split(used, given, learned, strata, groups, **{name: settings[name] for name in AMOUNTS})
