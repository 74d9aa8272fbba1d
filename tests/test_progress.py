"""Progress output, on a terminal and elsewhere."""

import re
import time
from collections.abc import Iterator

import pytest

from sprout.runtime import progress
from sprout.runtime.progress import BAR_DELAY, Heartbeat, announced, track, waiting
from sprout.runtime.training_progress import EpochLines


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def steps(count: int) -> Iterator[int]:
    """An iterator that does not know its length, as most of what is tracked."""
    yield from range(count)


def test_a_short_step_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(steps(3), "score", 3)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_long_step_says_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for _ in track(steps(6), "score", 6):
        now[0] += progress.SECONDS * 0.6
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["score: 2/6", "score: 4/6", "score: 6/6"]


def test_a_step_that_is_left_early_does_not_claim_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for step in track(steps(6), "score", 6):
        now[0] += progress.SECONDS * 2
        if step == 1:
            break
    assert capsys.readouterr().err.splitlines() == ["score: 1/6"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is short."""
    monkeypatch.setattr(progress, "SILENCE", 0.05)


def wait_for(capsys: pytest.CaptureFixture[str], lines: int) -> list[str]:
    """What is printed until there are so many lines."""
    printed, end = "", time.monotonic() + 20
    while printed.count("\n") < lines:
        assert time.monotonic() < end, printed
        time.sleep(0.01)
        printed += capsys.readouterr().err
    return printed.splitlines()


def test_a_single_long_step_says_that_it_goes_on(capsys: pytest.CaptureFixture[str], impatient: None) -> None:
    for step in track(steps(2), "write", 2):
        assert set(wait_for(capsys, 2)) == {f"write: {step}/2"}
    assert capsys.readouterr().err.splitlines()[-1] == "write: 2/2"


def test_a_long_epoch_says_its_steps_until_it_ends(capsys: pytest.CaptureFixture[str], impatient: None) -> None:
    lines = EpochLines("student", epochs=3, quiet=False)
    lines.start(steps=300, done=0)
    lines.step(42)
    assert wait_for(capsys, 2)[1] == "student: step 42/300"
    lines.epoch({"epoch": 1, "val_loss": 0.5})
    assert "student: epoch 1/3  val_loss 0.5000" in wait_for(capsys, 1)
    lines.close()
    capsys.readouterr()
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_a_quiet_training_says_nothing(capsys: pytest.CaptureFixture[str], impatient: None) -> None:
    lines = EpochLines("student", epochs=3, quiet=True)
    lines.start(steps=300, done=0)
    time.sleep(0.2)
    lines.epoch({"epoch": 3, "val_loss": 0.5})
    lines.close()
    assert capsys.readouterr().err == ""


def test_what_is_said_in_time_is_not_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Heartbeat(lambda: "still here") as heartbeat:
        heartbeat.speak("done with one")
        assert heartbeat.left == pytest.approx(progress.SILENCE, abs=5)
    assert capsys.readouterr().err == "done with one\n"
    assert progress.SILENCE < 30


def test_a_long_computation_says_for_how_long(capsys: pytest.CaptureFixture[str], impatient: None) -> None:
    with announced("forest"):
        assert wait_for(capsys, 1)[0] == "forest: computing for 0 s"


def test_a_terminal_has_a_bar_that_knows_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "0")
    assert list(track(steps(3), "score", 3)) == [0, 1, 2]
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"score .*3/3", re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", err))


def test_a_fault_in_a_step_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> Iterator[int]:
        yield 1
        raise ValueError("step 2")

    for compatible in ("0", "1"):
        monkeypatch.setenv("TTY_COMPATIBLE", compatible)
        with pytest.raises(ValueError, match="step 2"):
            list(track(wrong(), "score", 2))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, on a terminal."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "0")
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(("seconds", "shown"), [(0.1, False), (BAR_DELAY, True)])
def test_a_delayed_bar_is_for_long_steps_only(
    capsys: pytest.CaptureFixture[str], terminal: list[float], seconds: float, shown: bool
) -> None:
    for _ in track(range(3), "predict", 3, delay=BAR_DELAY):
        terminal[0] += seconds
    out, err = capsys.readouterr()
    assert (out, "3/3" in err, bool(err)) == ("", shown, shown)


def test_a_bar_ends_where_the_steps_are_left(capsys: pytest.CaptureFixture[str], terminal: list[float]) -> None:
    for step in track(range(5), "predict", 5, delay=BAR_DELAY):
        terminal[0] += BAR_DELAY
        if step == 3:
            break
    assert "5/5" not in capsys.readouterr().err


def test_without_a_terminal_the_delay_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(range(3), "predict", 3, delay=BAR_DELAY)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_long_computation_is_announced(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS", 0.05)
    with announced("forest on 10 examples"):
        time.sleep(0.3)
    begun, done = capsys.readouterr().err.splitlines()
    assert begun.startswith("forest on 10 examples: computing")
    assert done == "forest on 10 examples: done in 0 s"
    with pytest.raises(ValueError, match="wrong"), announced("forest on 10 examples"):
        raise ValueError("wrong")
    assert capsys.readouterr().err == ""


def test_a_short_computation_is_not_announced(capsys: pytest.CaptureFixture[str]) -> None:
    with announced("forest on 10 examples"):
        pass
    assert capsys.readouterr().err == ""


def test_a_wait_is_shown_on_a_terminal_and_gone_at_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with waiting("importing PyTorch"):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with waiting("importing PyTorch"):
        pass
    out, err = capsys.readouterr()
    assert out == ""
    assert "importing PyTorch" in err
    assert err.endswith("\x1b[2K"), "the line is erased"
