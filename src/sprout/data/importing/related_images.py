"""Images that belong together, judging by their names: frames of a video, tiles of a slide, augmented copies."""

import os
import re
from collections import Counter
from collections.abc import Sequence

from sprout.data.listing import Files, Listing, Members
from sprout.runtime.errors import printable

MARKS = (
    *("aug", "augmented", "flip", "flipped", "hflip", "vflip", "rot", "rotated", "rotate", "mirror", "noise", "copy"),
    *("frame", "slice", "tile", "patch", "crop", "rf"),
)
"""Words before which a name tells what an image was made of: `1_flip.jpg`, `video3_frame0012.jpg`."""
MARKED = re.compile(rf"(.+?)([ _.-](?:{'|'.join(MARKS)})(?=[ _.\d-]|$)).*", re.IGNORECASE | re.DOTALL)
SHARE = 0.2
"""Of the images that belong to others, from which it is said."""


def related_notes(listing: Listing) -> list[str]:
    """Return that images belong together, and how to keep them in one split; nothing where there are groups."""
    if listing.group is not None or not isinstance(listing.examples, Files) or isinstance(listing.examples, Members):
        return []
    paths = listing.examples.some(slice(None))
    stems = [os.path.splitext(path)[0] for path in paths]
    matches = [MARKED.fullmatch(stem) for stem in stems]
    counts = Counter(match[1] if match else stem for match, stem in zip(matches, stems, strict=True))
    related = [match for match in matches if match and counts[match[1]] > 1]
    if len(related) < SHARE * max(len(stems), 1):
        return []
    return [
        f"{len(related):,} images, such as {printable(os.path.basename(related[0][0]))}, seem to belong to "
        f"{len({match[1] for match in related}):,} things; to keep the images of each in one split: "
        f"{remedy(listing, paths, matches)}"
    ]


def remedy(listing: Listing, paths: Sequence[str], matches: Sequence[re.Match[str] | None]) -> str:
    """Return the pattern that makes the origins groups, or that a table is needed."""
    marks = {match[2] if match else None for match in matches}
    labels = [None] * len(paths) if listing.label is None else listing.label.to_pylist()
    in_classes = all(
        os.path.basename(os.path.dirname(path)) == label for path, label in zip(paths, labels, strict=True)
    )
    mark = marks.pop()
    if mark is None or marks or not in_classes:
        return "a table with a column `group`"
    return f"--pattern '{{label}}/{{group}}{mark}*'"
