"""Field types of the sections, which are frozen, strictly typed dataclasses without defaults.

The values are in `conf/`; the dataclasses define their types, ranges and meaning.
"""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator

from sprout.runtime.errors import UserError

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
    """Check an amount: an integer is a count, a float is a fraction, null means a default that each setting documents.

    Raises:
        ValueError: it is none of these.
    """
    if value is None or (type(value) is int and 1 <= value < 2**31) or (type(value) is float and 0 < value < 1):
        return value
    raise ValueError("should be a count from 1, a fraction between 0 and 1, or null")


def devices(value: Any) -> int | Literal["auto"]:
    """Check a number of devices.

    Raises:
        ValueError: it is neither a count nor auto.
    """
    if value == "auto" or (type(value) is int and 1 <= value < 2**31):
        found: int | Literal["auto"] = value
        return found
    raise ValueError("should be a number from 1, or auto")


Amount = Annotated[int | float | None, PlainValidator(amount)]
Devices = Annotated[int | Literal["auto"], PlainValidator(devices)]


def known_name(key: str, name: str, known: Collection[str]) -> str:
    """Return the name of a setting's value.

    Raises:
        UserError: it is not among the known ones.
    """
    if name not in known:
        raise UserError(f"{key}={name}: unknown; accepted: {', '.join(known)}")
    return name


def dotted(path: str) -> str:
    """Check that a string has the form package.Class."""
    module, _, name = path.rpartition(".")
    if not (module and name):
        raise ValueError("is not of the form package.Class")
    return path


ClassPath = Annotated[Name, AfterValidator(dotted)]
"""`package.Class`, a class of the user's own."""
