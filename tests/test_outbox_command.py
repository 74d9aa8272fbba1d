"""`sprout outbox`: what no store has taken is listed, sent, sent elsewhere or dropped."""

from collections.abc import Callable
from pathlib import Path

import pytest

from commands import Ended
from sprout.tracking import tracking_uri
from sprout.tracking.address import absolute
from sprout.tracking.outbox.journal import try_lock
from sprout.tracking.outbox.sender import senders
from tracked_runs import make_build, outbox, points, raise_os_error, runs_of, track

GONE = "sqlite:////proc/no/such.db"


@pytest.fixture
def kept(root: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of two journals: for the workspace's store, which failed, and for one that can never be used."""
    assert root == project
    with monkeypatch.context() as broken:
        broken.setattr("sprout.tracking.outbox.sender.connect", raise_os_error)
        broken.setattr("sprout.tracking.outbox.sender.PATIENCE", 0.1)
        with track(make_build(), "teacher", tracking_uri()) as run:
            run.log_metrics({"loss": 1.0})
        with track(make_build(), "student", GONE) as run:
            run.log_metrics({"loss": 2.0})
        for sender in senders():  # none may find the store well again
            sender.join()
    return [folder.name for folder in outbox(root)]


def test_journals_are_listed(kept: list[str], sprout: Callable[..., Ended]) -> None:
    done = sprout("outbox")
    rows = [line.split() for line in done.out.splitlines()[1:]]
    assert rows == [
        [kept[0], "digits", "teacher", "5", "sqlite:///mlruns/mlflow.db"],
        [kept[1], "digits", "student", "5", GONE],
    ]


def test_journals_are_sent_and_what_cannot_be_is_kept(
    kept: list[str], root: Path, sprout: Callable[..., Ended]
) -> None:
    done = sprout("outbox", "--send")
    assert (done.code, done.out) == (1, "1 of 2 journals sent\n")
    assert f"the tracking store {GONE} cannot be used now" in done.err
    assert [folder.name for folder in outbox(root)] == kept[1:]
    assert points(tracking_uri(), runs_of(tracking_uri(), role="teacher")[0], "loss") == [(0, 1.0)]


def test_journal_is_sent_elsewhere(kept: list[str], root: Path, sprout: Callable[..., Ended]) -> None:
    (outbox(root)[1] / "sent").write_text("200")  # as after a part of it went to the store that is gone
    done = sprout("outbox", kept[1], "--to", "sqlite:///mlruns/mlflow.db")
    assert (done.code, done.out) == (0, "1 of 1 journals sent\n")
    (student,) = runs_of(absolute("sqlite:///mlruns/mlflow.db"), role="student")
    assert (student.info.status, student.data.metrics) == ("FINISHED", {"loss": 2.0})
    assert [folder.name for folder in outbox(root)] == kept[:1]


@pytest.mark.parametrize("to", ["http://127.0.0.1:9", "nowhere://x"])
def test_a_store_that_cannot_be_used_takes_no_journal(
    kept: list[str], root: Path, sprout: Callable[..., Ended], to: str
) -> None:
    before = [(folder / "journal.jsonl").read_bytes() for folder in outbox(root)]
    done = sprout("outbox", *kept, "--to", to)
    assert (done.code, done.out) == (2, "")
    assert f"--to={to}: cannot be used" in done.err
    assert "name the journals" in sprout("outbox", "--to", to).err
    assert [(folder / "journal.jsonl").read_bytes() for folder in outbox(root)] == before


def test_journal_is_dropped(kept: list[str], root: Path, sprout: Callable[..., Ended]) -> None:
    assert sprout("outbox", "--drop").code == 2
    assert sprout("outbox", "--drop", kept[1]).code == 0
    assert [folder.name for folder in outbox(root)] == kept[:1]
    assert sprout("outbox", "--drop", kept[0]).code == 0
    assert sprout("outbox").out == "every record has been sent\n"


def test_journal_in_use_is_left_alone(kept: list[str], root: Path, sprout: Callable[..., Ended]) -> None:
    journal = outbox(root)[1]
    lock = try_lock(journal)
    assert lock is not None
    with lock:
        assert sprout("outbox", kept[1]).out.splitlines()[1].endswith("in use")
        done = sprout("outbox", "--drop", kept[1])
    assert done.code == 2
    assert done.err.startswith(f"error: {journal}: a running process uses it")
    assert journal.exists()


def test_unreadable_journal_is_listed_and_dropped(root: Path, project: Path, sprout: Callable[..., Ended]) -> None:
    bad = root / "mlruns" / "outbox" / "1-bad"
    bad.mkdir(parents=True)
    (bad / "journal.jsonl").write_text("what?\n")
    assert sprout("outbox").out.splitlines()[1].split() == ["1-bad", "1", "cannot", "be", "read"]
    assert sprout("outbox", "1-bad", "--to", "sqlite:///mlruns/mlflow.db").code == 2
    assert sprout("outbox", "--drop", "1-bad").code == 0
    assert not bad.exists()


def test_unknown_journal_and_contradicting_options_are_refused(kept: list[str], sprout: Callable[..., Ended]) -> None:
    assert f"error: 7: no journal in {Path.cwd() / 'mlruns' / 'outbox'}" in sprout("outbox", "7", "--send").err
    assert sprout("outbox", "--send", "--drop", kept[0]).code == 2
