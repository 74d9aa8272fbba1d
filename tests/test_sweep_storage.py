"""`sweep.storage`: which addresses are accepted, and what is said without psycopg. `tests/services` has the server."""

import sys
from pathlib import Path
from typing import Any

import pytest

from sprout.config.compose import compose_config
from sprout.config.sweep import Sweep, check_sweep
from sprout.runtime.errors import UserError
from sprout.sweep.study_server import StudyServer

CONF = Path("conf")


def sweep_with(storage: Any) -> Sweep:
    return check_sweep("sweep", compose_config(CONF, "digits", []).outside["sweep"] | {"storage": storage})


def test_by_default_it_is_a_file() -> None:
    assert sweep_with(None).storage is None


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgresql://ann@db/studies?sslmode=require", "postgresql://ann@db/studies?sslmode=require"),
        ("postgresql+psycopg://ann@db/studies", "postgresql://ann@db/studies"),
    ],
)
def test_addresses_of_libpq_and_of_sqlalchemy_are_accepted(given: str, taken: str) -> None:
    assert sweep_with(given).storage == taken


@pytest.mark.parametrize(
    "given", ["mysql://ann@db/studies", "sqlite:///study.db", "postgres://db/x", "postgresql://", ""]
)
def test_another_scheme_is_refused(given: str) -> None:
    with pytest.raises(UserError, match=r"sweep\.storage=.*should be postgresql://USER@HOST/DATABASE, or null"):
        sweep_with(given)


def test_a_wrong_address_of_a_variable_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIES", "mysql://ann:orange-42@db/studies")
    with pytest.raises(UserError, match=r"sweep\.storage=.*oc\.env:STUDIES") as raised:
        sweep_with("${oc.env:STUDIES}")
    assert "orange" not in str(raised.value)


@pytest.mark.parametrize("given", ["postgresql://ann:orange-42@db/s", "postgresql://db/s?user=ann&password=orange-42"])
def test_a_password_that_is_written_out_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="a secret that is written out") as raised:
        compose_config(CONF, "digits", [f"sweep.storage='{given}'"])
    assert "orange" not in str(raised.value)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        UserError, match=r"^sweep\.storage=postgresql://db/studies: needs psycopg: .*sprout\[postgres\]"
    ):
        StudyServer("postgresql://ann:orange-42@db/studies")
