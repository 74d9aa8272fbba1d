"""What is written of regressions: the numbers."""

from collections.abc import Mapping

import pyarrow as pa

from sprout.data.store import Array, Store
from sprout.measure import measured
from sprout.models.predictor import Predictor, values


def regressions(models: Mapping[str, Predictor], test: Store, outputs: Mapping[str, Array]) -> pa.Table:
    """One row per test example whose number is known: the row, the number, and each model's, in the data's unit.

    Args:
        models: teacher and student.
        test: the test split.
        outputs: of each model (N, 1), on all of it.
    """
    rows = measured(test, "regress")
    columns = {"row": rows, "value": test.labels["value"].to_numpy()[rows]}
    return pa.table(columns | {role: values(outputs[role][rows], model.card) for role, model in models.items()})
