"""`sprout sweep` with its study in PostgreSQL: killed, resumed in another folder, held by one, no password written."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import optuna
import psycopg
import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import StorageInternalError
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.study import Study
from sqlalchemy.pool import NullPool

from running import postgres
from servers import free_port
from sprout.runtime.errors import UserError
from sprout.sweep import trials
from sprout.sweep.study import open_study
from sprout.sweep.study_folder import StudyFolder, existing, hold_study, newest
from sprout.sweep.study_server import StudyServer
from sweep_runs import count
from workspaces import copy_workspace, run, start

# Not written out here either: the tests look for them in copies of this project, too.
PASSWORD, PLAIN, WRONG = " ".join(["not/for@all:", "7"]), "-".join(["indigo", "4711"]), "-".join(["wrong", "4711"])
DEFINITION = {"train": {"epochs": 3}}
GIVEN = ["sprout", "sweep", "train.epochs=20", "sweep.trials=3", "sweep.workers=1", "sweep.pruner=none"]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a database whose role `ann` needs a password."""
    with postgres() as uri:
        address = uri.replace("+psycopg", "")
        folder = Path(address.partition("host=")[2])
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE ann LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
            connection.execute(f"CREATE ROLE bob LOGIN SUPERUSER PASSWORD '{PLAIN}'")
            rules = folder / "data/pg_hba.conf"
            rules.write_text("local all ann,bob scram-sha-256\n" + rules.read_text())
            connection.execute("SELECT pg_reload_conf()")
        yield address


@pytest.fixture
def empty(database: str) -> Iterator[str]:
    """The address, with nothing in the database."""
    yield database
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


@pytest.fixture(scope="module")
def prepared(prepared_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workspace(prepared_project, tmp_path_factory.mktemp("sweep") / "project")


def of(user: str, address: str) -> str:
    """The address for another user, without a password."""
    return address.replace("sprout@", f"{user}@")


def study_on(address: str, name: str) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = RDBStorage(address.replace("postgresql:", "postgresql+psycopg:"), {"poolclass": NullPool})
    return optuna.load_study(study_name=name, storage=storage)


def settings(study: Study, state: str) -> list[tuple[tuple[str, object], ...]]:
    return [tuple(sorted(trial.params.items())) for trial in study.trials if trial.state.name == state]


def wait_for_results(address: str, name: str, running: "subprocess.Popen[bytes]", complete: int) -> None:
    end = time.monotonic() + 300
    while True:
        assert time.monotonic() < end
        assert running.poll() is None
        try:
            study = study_on(address, name)
        except (KeyError, StorageInternalError):
            continue
        if count(study).get("COMPLETE", 0) >= complete and count(study).get("RUNNING"):
            return
        time.sleep(0.1)


def test_killed_and_resumed_in_another_folder_no_trial_is_lost(prepared: Path, empty: str, tmp_path: Path) -> None:
    address, name = of("ann", empty), "digits-server"
    elsewhere = copy_workspace(prepared, tmp_path / "elsewhere")
    password = {"PGPASSWORD": PASSWORD}
    given = [*GIVEN, "sweep.name=server", f"sweep.storage='{address}'"]
    running = start(prepared, *given, more=password)
    wait_for_results(empty, name, running, complete=1)

    refused = run(elsewhere, *given, code=2, more=password)
    assert f"sweep {name}: held by process {running.pid} on " in refused
    assert "sweep.name=" in refused

    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    before = study_on(empty, name)
    assert count(before)["RUNNING"] >= 1
    other = [each if each != "train.epochs=20" else "train.epochs=21" for each in given]
    assert "train.epochs was 20, is 21" in run(elsewhere, *other, code=2, more=password)

    printed = run(elsewhere, *given, more=password)
    assert "an earlier sweep was killed; its trials" in printed
    study = study_on(empty, name)
    assert count(study)["COMPLETE"] == 3
    assert set(count(study)) == {"COMPLETE", "FAIL"}
    assert len(set(settings(study, "COMPLETE"))) == 3
    assert set(settings(before, "COMPLETE") + settings(before, "RUNNING")) <= set(settings(study, "COMPLETE"))
    known = {trial.number: trial.values for trial in before.trials if trial.state.name == "COMPLETE"}
    assert known == {number: study.trials[number].values for number in known}
    folders = [path for root in (prepared, elsewhere) for path in (root / "mlruns/sweeps").glob(f"{name}@*")]
    assert len({path.name for path in folders}) == 1
    assert len(folders) == 2
    assert not [path for folder in folders for path in folder.rglob("study.db")]

    assert_unwritten(prepared, elsewhere, secrets=[PASSWORD])


def assert_unwritten(*folders: Path, secrets: list[str]) -> None:
    """Check that no file has a secret: configs, journals, logs and what commands have printed."""
    for path in (path for folder in folders for path in folder.parent.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path


def test_a_password_by_the_environment_is_in_no_file_and_no_message(prepared: Path, empty: str) -> None:
    variable = "sweep.storage='" + empty.replace("sprout@", "bob:${oc.env:STUDY_PASSWORD}@") + "'"
    given = [*GIVEN, "train.epochs=1", "sweep.trials=1", "sweep.name=secret", variable]
    run(prepared, *given, more={"STUDY_PASSWORD": PLAIN})
    assert count(study_on(empty, "digits-secret")) == {"COMPLETE": 1}
    said = run(prepared, *given, "sweep.name=wrong", code=2, more={"STUDY_PASSWORD": WRONG})
    assert "sweep.storage=postgresql:///postgres?host=" in said
    assert "password authentication failed" in said
    assert WRONG not in said
    written = run(prepared, *GIVEN, f"sweep.storage='{of(f'bob:{PLAIN}', empty)}'", code=2)
    assert "a secret that is written out" in written
    assert PLAIN not in written
    assert_unwritten(prepared, secrets=[PLAIN, WRONG])


def test_a_server_that_is_down_is_said(prepared: Path) -> None:
    address = f"postgresql://ann@127.0.0.1:{free_port()}/studies"
    said = run(prepared, *GIVEN, f"sweep.storage='{address}'", code=2)
    assert "sweep.storage=postgresql://127.0.0.1:" in said
    assert "no connection: " in said
    assert "docs/sweeps.md" in said


@pytest.mark.parametrize("fault", ["?port=none", "?no_such_option=1"])
def test_an_address_that_libpq_refuses_is_said(empty: str, fault: str) -> None:
    with pytest.raises(UserError, match=r"no connection: .*correct the address"):
        StudyServer(f"postgresql://ann@127.0.0.1/postgres{fault}")


def test_numbers_and_ids_are_those_of_the_server(empty: str, tmp_path: Path) -> None:
    names = []
    for root, fresh in (
        (tmp_path / "a", False),
        (tmp_path / "b", False),
        (tmp_path / "b", True),
        (tmp_path / "a", False),
    ):
        with hold_study(root, "digits", fresh, empty) as folder:
            study = open_study(folder, DEFINITION, ["maximize"])
            assert study.study_name == folder.name
            names.append(folder.path.name)
    assert [name.partition("@")[0] for name in names] == ["digits", "digits", "digits+2", "digits+2"]
    assert names[0] == names[1] != names[2] == names[3]


def test_a_study_that_was_being_created_is_removed(empty: str, tmp_path: Path) -> None:
    with hold_study(tmp_path, "digits", False, empty) as folder:
        assert folder.server is not None
        optuna.create_study(study_name="digits", storage=folder.server.storage, directions=["maximize"])
        optuna.create_study(study_name="digits+x", storage=folder.server.storage, directions=["maximize"])
        assert newest(tmp_path, "digits", folder.server) == 0
        assert [each.study_name for each in folder.server.storage.get_all_studies()] == ["digits+x"]
        with pytest.raises(UserError, match="there is no study digits yet"):
            existing(tmp_path, "digits", folder.server)


def held(root: Path, address: str) -> tuple[StudyFolder, Study]:
    """A study and a drawn trial, as a supervisor leaves them that has ended without a word."""
    with hold_study(root, "digits", False, address) as folder:
        study = open_study(folder, DEFINITION, ["maximize"])
        trials.draw(study, {"lr": FloatDistribution(0, 1)}, RandomSampler(), 1)
    return folder, study


def test_it_is_held_by_one_and_other_names_and_schemas_are_free(empty: str, tmp_path: Path) -> None:
    with hold_study(tmp_path, "digits", False, empty):
        for fresh in (False, True):
            says = rf"^sweep digits: held by process {os.getpid()} on \S+, since 20\d\d-.*sweep\.name="
            with pytest.raises(UserError, match=says), hold_study(tmp_path, "digits", fresh, empty):
                pass
        with hold_study(tmp_path, "other", False, empty), psycopg.connect(empty, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA mine")
            with hold_study(tmp_path, "digits", False, f"{empty}&options=-csearch_path%3Dmine"):
                pass
            connection.execute("DROP SCHEMA mine CASCADE")
    with hold_study(tmp_path, "digits", False, empty):
        pass


def test_a_supervisor_that_has_lost_its_lock_changes_nothing_more(empty: str, tmp_path: Path) -> None:
    held(tmp_path, empty)
    with hold_study(tmp_path, "digits", False, empty) as folder:
        study = open_study(folder, DEFINITION, ["maximize"])
        assert folder.server is not None
        (pid,) = folder.server.row("SELECT pg_backend_pid()")
        with psycopg.connect(empty) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        with pytest.raises(StorageInternalError, match="the connection that holds the study is lost"):
            study.tell(0, 0.5)
        with hold_study(tmp_path, "digits", False, empty) as other:
            resumed = open_study(other, DEFINITION, ["maximize"])
            assert trials.recover(resumed, other.results) == [0]
            assert count(resumed) == {"FAIL": 1, "WAITING": 1}


def test_results_of_a_study_of_the_same_name_are_not_taken_for_its_own(empty: str, tmp_path: Path) -> None:
    """Two databases, or a file and a database, may have studies of one name and trials of one number."""
    first, _ = held(tmp_path, empty)
    with closing(StudyServer(empty)) as server:
        server.storage.delete_study(server.storage.get_study_id_from_name("digits"))
    second, _ = held(tmp_path, empty)
    assert first.name == second.name
    assert first.path != second.path
