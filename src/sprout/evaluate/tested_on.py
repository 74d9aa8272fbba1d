"""What the metrics of an evaluation are from: the test split, or without one cross-validation over the labels."""

from collections.abc import Mapping
from typing import Any

TEST = "test"
CROSS_VALIDATION = "cross_validation"


def tested_on(metrics: Mapping[str, Any]) -> str:
    """The key of `metrics.json` that has the metrics of each model: TEST or CROSS_VALIDATION."""
    return TEST if TEST in metrics else CROSS_VALIDATION
