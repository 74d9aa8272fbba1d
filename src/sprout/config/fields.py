"""How a section of the config is declared: a frozen, strictly typed dataclass without defaults.

The values live in `conf/` alone; here stand their types, ranges and meaning.
"""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainValidator

STRICT = ConfigDict(extra="forbid", strict=True)

Count = Annotated[int, Field(ge=1, lt=2**31)]
CountOrZero = Annotated[int, Field(ge=0, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]


def amount(value: Any) -> int | float | None:
    """A whole number counts, one with a point is a share."""
    if value is None or (type(value) is int and 1 <= value < 2**31) or (type(value) is float and 0 < value < 1):
        return value
    raise ValueError("should be a count from 1, a share between 0 and 1, or null")


Amount = Annotated[int | float | None, PlainValidator(amount)]
