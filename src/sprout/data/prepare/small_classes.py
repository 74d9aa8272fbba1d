"""Classes with too few examples to learn from, which a setting leaves out."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sprout.data.listing import SPLITS, Array, Listing
from sprout.data.prepare.duplicates import TO_DRAW, source_splits
from sprout.data.prepare.targets import count_classes, format_counts, known_classes
from sprout.runtime.errors import UserError


def without_small_classes(listing: Listing, usable: Array, smallest: int | None) -> tuple[Listing, Array, list[str]]:
    """Leave out classes with fewer examples to train on or to draw from, with all of their examples.

    Args:
        listing: N examples of a source.
        usable: (n,) the rows without a fault.
        smallest: how many a class needs; None leaves none out.

    Returns:
        the listing with the other classes, the rows that remain, and a note for the user where some were left out.

    Raises:
        UserError: fewer than two classes remain.
    """
    if smallest is None or listing.label is None:
        return listing, usable, []
    classes = known_classes(listing, usable)
    source = source_splits(listing.split, len(listing))[usable]
    learned = usable[np.isin(source, [TO_DRAW, SPLITS.index("train")])]
    index = pc.index_in(listing.label, pa.array(classes, pa.string())).fill_null(-1).to_numpy(zero_copy_only=False)
    small = {name: count for name, count in count_classes(index[learned], classes).items() if count < smallest}
    if not small:
        return listing, usable, []
    kept = usable[~np.isin(index[usable], [classes.index(name) for name in small])]
    if len(small) > len(classes) - 2:
        raise UserError(
            f"prepare.min_class_size={smallest}: leaves {len(classes) - len(small)} of {len(classes)} classes "
            f"({format_counts(small)} examples to learn from), and two are needed; lower it"
        )
    count = len(usable) - len(kept)
    note = (
        f"left out, as these classes have fewer than prepare.min_class_size={smallest} examples to learn from: "
        f"{format_counts(small)}; with test and val {count:,} example{'s' if count > 1 else ''}"
    )
    return replace(listing, classes=[name for name in classes if name not in small]), kept, [note]
