"""How a command ended that ran in the test's own process."""

from typing import NamedTuple


class Ended(NamedTuple):
    code: int
    out: str
    err: str
