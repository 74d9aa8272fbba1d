"""Progress that only long steps show."""

import time

import pytest

from sprout.runtime import progress as late_progress
from sprout.runtime.progress import track_late


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, on a terminal."""
    for name in ("FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "0")
    at = [time.monotonic()]
    monkeypatch.setattr(late_progress.time, "monotonic", lambda: at[0])
    return at


@pytest.mark.parametrize(("seconds", "shown"), [(0.1, False), (late_progress.PATIENCE, True)])
def test_a_bar_comes_with_a_long_step(
    capsys: pytest.CaptureFixture[str], now: list[float], seconds: float, shown: bool
) -> None:
    for _ in track_late(range(3), "predict", 3):
        now[0] += seconds
    out, err = capsys.readouterr()
    assert (out, "3/3" in err, bool(err)) == ("", shown, shown)


def test_a_bar_goes_where_the_steps_are_left(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    for step in track_late(range(5), "predict", 5):
        now[0] += late_progress.PATIENCE
        if step == 3:
            break
    assert "5/5" not in capsys.readouterr().err


def test_elsewhere_a_short_step_says_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert list(track_late(range(3), "predict", 3)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
