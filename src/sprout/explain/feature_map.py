"""The map of the features: which examples are on it, where, and as what."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from sprout.data.store import Array, Store, class_indices, open_store
from sprout.evaluate.tested_on import TEST
from sprout.explain.chosen import shares
from sprout.explain.embedding import two_dimensions
from sprout.explain.subject import Subject

LABELLED, PSEUDO_LABELLED, UNLABELLED, TESTED, MISTAKE = range(5)
KINDS = ("labelled", "pseudo-labelled", "unlabelled", "tested", "mistake")
SEED = 0


@dataclass(frozen=True)
class Points:
    """Examples of one split, (n,) each."""

    split: str
    store: Store
    rows: Array
    kind: Array
    """int, an index of KINDS."""
    label: Array
    """int, the class; of the pool the one that it was given; −1 for none."""
    predicted: Array
    """int, of a mistake what the model has predicted; −1 of all others."""

    def take(self, places: Array) -> "Points":
        """Some of the points."""
        columns = {name: getattr(self, name)[places] for name in ("rows", "kind", "label", "predicted")}
        return replace(self, **columns)

    def drawn(self, count: int) -> "Points":
        """So many of the points at random, all mistakes before any other."""
        order = np.random.default_rng(SEED).permutation(len(self.rows))
        order = order[np.argsort(self.kind[order] != MISTAKE, kind="stable")]
        return self.take(np.sort(order[:count]))

    def table(self) -> pa.Table:
        """The points as a table, see `feature_map`."""
        return pa.table(
            {
                "split": [self.split] * len(self.rows),
                "row": self.rows,
                "kind": [KINDS[kind] for kind in self.kind],
                "label": pa.array(self.label, pa.int64(), mask=self.label < 0),
                "predicted": pa.array(self.predicted, pa.int64(), mask=self.predicted < 0),
            }
        )


def feature_map(subject: Subject, wanted: int) -> pa.Table:
    """Examples of train, of the pool, and tested ones, each with its place on a map.

    The columns are `split` and `row`, the example; `kind`, one of KINDS; `label`, its class, of the pool the one that
    it was given; `predicted`, of a mistake the class that the model has predicted; and `x` and `y` in 0..1.
    """
    groups = [train_points(subject), pool_points(subject), *tested_points(subject)]
    counts = shares([len(group.rows) for group in groups], wanted)
    drawn = [group.drawn(count) for group, count in zip(groups, counts, strict=True) if count]
    if not drawn:
        return groups[0].take(np.empty(0, np.int64)).table()
    features = [subject.features_of(each.store, each.rows, f"map: {each.split}") for each in drawn]
    placed = two_dimensions(np.concatenate(features))
    table = pa.concat_tables([each.table() for each in drawn])
    return table.append_column("x", pa.array(placed[:, 0])).append_column("y", pa.array(placed[:, 1]))


def train_points(subject: Subject) -> Points:
    """The training examples; with cross-validation some are mistakes."""
    label = class_indices(subject.train.columns("label"))
    kind = np.where(label >= 0, LABELLED, UNLABELLED)
    points = Points("train", subject.train, np.arange(len(label)), kind, label, np.full(len(label), -1))
    return points if subject.model.tested.split == TEST else with_mistakes(subject, points)


def pool_points(subject: Subject) -> Points:
    """The unlabelled examples, with the labels that were accepted."""
    pool, labels = open_store(subject.prepared / "unlabelled"), subject.model.pool_labels
    label = np.full(len(pool), -1) if labels is None else np.where(labels.accepted, labels.predicted, -1)
    kind = np.where(label >= 0, PSEUDO_LABELLED, UNLABELLED)
    return Points("unlabelled", pool, np.arange(len(pool)), kind, label, np.full(len(pool), -1))


def tested_points(subject: Subject) -> list[Points]:
    """The test examples; none with cross-validation, which tests on the training examples."""
    if subject.model.tested.split != TEST:
        return []
    store = subject.model.tested.store
    label = class_indices(store.columns("label"))
    points = Points(TEST, store, np.arange(len(store)), np.full(len(store), TESTED), label, np.full(len(store), -1))
    return [with_mistakes(subject, points)]


def with_mistakes(subject: Subject, points: Points) -> Points:
    """The points of the tested examples, with the mistakes among them marked."""
    wrong = np.isin(points.rows, subject.mistakes)
    predicted = subject.predicted if subject.has_classes else points.predicted
    return replace(
        points, kind=np.where(wrong, MISTAKE, points.kind), predicted=np.where(wrong, predicted, points.predicted)
    )
