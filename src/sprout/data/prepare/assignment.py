"""What each example teaches, which group it belongs to and which split it goes into, before anything is written."""

from dataclasses import dataclass

import numpy as np

from sprout.config.prepare import Prepare
from sprout.data.listing import SPLITS, Array, Listing
from sprout.data.prepare.answered import NOTHING, Answered, Assigned, Said, apply_answers
from sprout.data.prepare.duplicates import find_shared, first_equal, resolve_shared, source_splits
from sprout.data.prepare.folds import assign_folds
from sprout.data.prepare.groups import merge_groups, number_groups
from sprout.data.prepare.splits import find_strata, split
from sprout.data.prepare.targets import UNKNOWN, Targets, find_targets
from sprout.runtime.errors import UserError

TEST = SPLITS.index("test")


@dataclass(frozen=True)
class Assignment:
    """N examples, assigned to splits."""

    targets: Targets
    images: Array
    """(N,) the first example with the same image."""
    groups: Array
    """(N,) examples of one group are in one drawn split."""
    rows: dict[str, Array]
    """The rows of each split, in the source's order."""
    folds: Array | None
    """(n,) the fold of each row of train; None without folds."""
    left_out: int
    """How many are in no split because another of the source's splits has their image."""
    notes: list[str]
    """For the user, one line each."""
    answered: Answered | None
    """What people's answers have changed; None where there are none."""


def assign_splits(
    listing: Listing,
    usable: Array,
    digests: Array | None,
    features: Array | None,
    settings: Prepare,
    said: Said = NOTHING,
) -> Assignment:
    """Assign the usable examples of a listing to the splits. People's answers change no draw: they come after it.

    Args:
        listing: N examples of a source.
        usable: (n,) the rows without a fault.
        digests: (N, 16) uint8, equal where images are; None for rows of a table.
        features: (N, F) float32; None for images.
        settings: the section `prepare`.
        said: people's answers.

    Raises:
        UserError: there are too few examples for these settings, equal images that are refused, or an answer of an
            unknown class.
    """
    targets, source = find_targets(listing, usable), source_splits(listing.split, len(listing))
    images = np.arange(len(listing)) if digests is None else first_equal(digests, usable)
    own_test = usable[source[usable] == TEST]
    replaced = own_test if settings.test is not None else own_test[:0]
    wanted = np.setdiff1d(usable, replaced, assume_unique=True)
    shared = find_shared(wanted, source, images)
    used = resolve_shared(shared, wanted, source, listing.origin, settings.duplicates)
    groups = merge_groups(number_groups(listing.group, len(listing)), images)
    strata = find_strata(targets, features, listing.features, settings.strata)
    rows, notes = split(used, source, targets, strata, groups, settings)
    if len(replaced):
        notes.append(f"the source's own test split ({len(replaced)} examples) is not used, because prepare.test is set")
    folds = find_folds(rows["train"], targets, strata, groups, settings)
    assigned, answered = apply_answers(said, Assigned(targets, groups, rows, folds))
    targets, rows, folds = assigned.targets, assigned.rows, assigned.folds
    notes += answered.notes(listing.origin)
    notes += note_unseen_classes(rows["train"], targets) if folds is not None else []
    notes += [*note_split_groups(rows, groups), *note_conflicting_labels(usable, images, targets)]
    left_out = len(wanted) - len(used)
    return Assignment(targets, images, groups, rows, folds, left_out, notes, answered if said is not NOTHING else None)


def find_folds(train: Array, targets: Targets, strata: Array, groups: Array, settings: Prepare) -> Array | None:
    """The folds of the training examples; None without folds.

    Raises:
        UserError: the examples have no classes, or are too few.
    """
    if settings.folds is None:
        return None
    if not targets.classes:
        raise UserError(
            f"prepare.folds={settings.folds}: cross-validation is for classes, and the examples have none; set it to "
            "null, and prepare.val to how many to draw"
        )
    return assign_folds(train, strata, groups, settings.folds, settings.seed + 3)


def note_unseen_classes(train: Array, targets: Targets) -> list[str]:
    """Report classes with one label: the model that judges it without its fold has not seen the class."""
    counts = np.bincount(targets.index[train], minlength=len(targets.classes))
    return [
        f"cross-validation counts the only label of {targets.classes[index]!r} as an error, as the model that judges "
        "it has not seen the class"
        for index in np.flatnonzero(counts == 1)
    ]


def note_split_groups(rows: dict[str, Array], groups: Array) -> list[str]:
    """Report groups that the source itself has put into several splits; a drawn split never divides a group."""
    learned = np.concatenate([rows["train"], rows["unlabelled"]])
    present = [np.unique(groups[each]) for each in (learned, rows["val"], rows["test"])]
    several = int((np.unique(np.concatenate(present), return_counts=True)[1] > 1).sum())
    return [f"{several} groups are in several of train, val and test: in the source's own splits"] if several else []


def note_conflicting_labels(usable: Array, images: Array, targets: Targets) -> list[str]:
    """Report equal images whose labels differ."""
    first, own = targets.index[images[usable]], targets.index[usable]
    count = int(((own != first) & (own != UNKNOWN) & (first != UNKNOWN)).sum())
    return [f"{count} images equal an earlier one that has another label (duplicates.csv)"] if count else []
