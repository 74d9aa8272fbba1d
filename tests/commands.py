"""Runs commands in the test's own process: exit code and output."""

from typing import NamedTuple


class Ended(NamedTuple):
    code: int
    out: str
    err: str
