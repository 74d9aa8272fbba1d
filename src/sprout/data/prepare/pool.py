"""The examples that are still to be assigned to splits."""

from dataclasses import dataclass, replace

import numpy as np

from sprout.data.listing import Array
from sprout.data.prepare.targets import Targets, count_classes
from sprout.runtime.errors import UserError

SHOWN = 10


@dataclass(frozen=True)
class Pool:
    """Some of N examples."""

    rows: Array
    """(n,) ascending."""
    targets: Targets
    strata: Array
    """(N,) int64: what draws are stratified by."""
    groups: Array
    """(N,) int64: examples of one group stay in one drawn split."""

    def without(self, rows: Array) -> "Pool":
        """Return the pool without these rows."""
        return replace(self, rows=np.setdiff1d(self.rows, rows, assume_unique=True))

    def counts(self) -> dict[str, int]:
        """Return the number of examples of each class."""
        return count_classes(self.targets.index[self.rows], self.targets.classes)

    def first(self, count: int | None) -> "Pool":
        """Return the first examples; None means all of them.

        Raises:
            UserError: there are not that many, or a class has none among them.
        """
        if count is not None and count > len(self.rows):
            raise UserError(f"prepare.first={count}: the source's training split has {len(self.rows)} examples")
        beginning = replace(self, rows=self.rows[:count])
        kept = beginning.counts()
        if lost := [name for name, number in self.counts().items() if number and not kept[name]]:
            raise UserError(
                f"prepare.first={count}: none of class {', '.join(map(repr, lost[:SHOWN]))} is among the first "
                "examples; take more of them, or all (null)"
            )
        return beginning
