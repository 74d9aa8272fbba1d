"""The end of a process: its exit code, its one-line error, and that it ends with its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sprout.runtime.errors import UserError, one_line
from sprout.runtime.signals import Killed, exit_codes

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
ENVIRONMENT["PYTHONPATH"] = str(ROOT / "src")
SECONDS = 30
HEAD = "import os, signal, sys, time\nfrom sprout.runtime.signals import die_with_parent, exit_codes, whole_process\n"


def start(code: str, stdin: int | None = None) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HEAD + code]
    return subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_a_users_mistake_ends_with_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, exit_codes():
        raise UserError("train.lr=-1: two\n  lines")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: train.lr=-1: two lines\n"


def test_any_other_fault_passes_through() -> None:
    with pytest.raises(KeyError), exit_codes():
        raise KeyError("a")
    with pytest.raises(SystemExit) as ended, exit_codes():
        sys.exit(7)
    assert ended.value.code == 7


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_runs_the_cleanup_and_gives_its_code(
    signum: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned = []

    def work() -> None:
        try:
            signal.raise_signal(signum)
            time.sleep(SECONDS)
        except Exception:
            cleaned.append("a signal must not look like a fault")
        finally:
            cleaned.append("yes")

    with pytest.raises(SystemExit) as ended, exit_codes():
        work()
    assert ended.value.code == code
    assert cleaned == ["yes"]
    assert capsys.readouterr().err == f"ended by {signum.name}\n"


def test_an_ignored_signal_stays_ignored() -> None:
    """As under nohup, where closing the terminal shall not end what runs."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with exit_codes():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_killed_names_its_signal() -> None:
    assert str(Killed(signal.SIGTERM)) == "SIGTERM"
    assert not isinstance(Killed(signal.SIGTERM), Exception)


ENDS = {
    "pass": (0, ""),
    "from sprout.runtime.errors import UserError; raise UserError('lr=-1: no')": (2, "error: lr=-1: no\n"),
    "raise ValueError('x')": (1, "ValueError: x\n"),
    "os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)": (143, "ended by SIGTERM\n"),
    "os.kill(os.getpid(), signal.SIGINT); time.sleep(30)": (130, "ended by SIGINT\n"),
}


@pytest.mark.parametrize("code", ENDS)
def test_a_process_ends_with_its_code(code: str) -> None:
    process = start(f"with exit_codes():\n    {code}\n")
    _, err = process.communicate(timeout=SECONDS)
    expected, said = ENDS[code]
    assert process.returncode == expected
    assert err.endswith(said)
    assert ("Traceback" in err) == (expected == 1)


def test_the_same_signal_again_ends_a_cleanup_that_hangs() -> None:
    code = (
        "with exit_codes():\n    try:\n        print('ready', flush=True)\n        time.sleep(60)\n"
        "    finally:\n        print('cleaning', flush=True)\n        time.sleep(60)\n"
    )
    process = start(code)
    assert process.stdout is not None
    for word in ("ready\n", "cleaning\n"):
        assert process.stdout.readline() == word
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)
    assert process.returncode == -signal.SIGTERM


IGNORED = {
    "a callback of the garbage collector": (
        "        gc.callbacks.append(lambda phase, _: os.kill(os.getpid(), signal.SIGTERM) if tries.pop() else None)\n"
        "        gc.collect()\n"
    ),
    "a finaliser": (
        "        class Dying:\n"
        "            def __del__(self):\n"
        "                os.kill(os.getpid(), signal.SIGTERM)\n"
        "                for _ in range(1000): pass\n"
        "        Dying()\n"
    ),
}


@pytest.mark.parametrize("where", IGNORED)
def test_a_signal_that_comes_where_python_ignores_exceptions_ends_it_all_the_same(where: str) -> None:
    code = (
        "import gc\ntries = [False] * 99 + [True]\nwith exit_codes():\n    try:\n"
        f"{IGNORED[where]}"
        "        print('ignored', flush=True)\n        time.sleep(60)\n"
        "    finally:\n        print('cleaned', flush=True)\n"
    )
    process = start(code)
    assert process.communicate(timeout=SECONDS) == ("ignored\ncleaned\n", "ended by SIGTERM\n")
    assert process.returncode == 143


def test_a_second_signal_after_an_ignored_one_still_lets_it_save() -> None:
    code = (
        "import gc\nfrom sprout.runtime.signals import deferred_signals\nimport sprout.runtime.signals as s\n"
        "s.SOON = 60\ntries = [False] * 99 + [True]\nwith exit_codes():\n"
        f"{IGNORED['a callback of the garbage collector'].replace('        ', '    ')}"
        "    with deferred_signals() as request:\n        print('trains', flush=True)\n"
        "        while request.signum is None: time.sleep(0.01)\n        print('saved', flush=True)\n"
    )
    process = start(code)
    assert process.stdout is not None
    assert process.stdout.readline() == "trains\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=SECONDS) == ("saved\n", "ended by SIGTERM\n")
    assert process.returncode == 143


def test_a_signal_during_the_exit_ends_it_without_a_traceback() -> None:
    process = start(
        "import atexit\n"
        "atexit.register(lambda: (print('exits', flush=True), time.sleep(30)))\n"
        "with exit_codes():\n    pass\n"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "exits\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=SECONDS)[1] == ""
    assert process.returncode == -signal.SIGTERM


def test_any_other_ignored_exception_is_said_as_before() -> None:
    code = (
        "with exit_codes():\n    class Bad:\n"
        "        def __del__(self):\n            raise ValueError('of a finaliser')\n"
        "    Bad()\n"
    )
    process = start(code)
    assert "ValueError: of a finaliser" in process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("end", "code"), [("pass", 0), ("sys.exit(3)", 3), ("raise UserError('no')", 2), ("sys.exit('no')", 1)]
)
def test_a_process_ends_at_once_but_for_threads_and_what_is_registered(end: str, code: int) -> None:
    """What a library keeps is not taken down, except where Python prints the reason itself."""
    process = start(
        "import atexit, threading\nfrom sprout.runtime.errors import UserError\n"
        "class Kept:\n    def __del__(self):\n        os.write(1, b'taken down\\n')\n"
        "kept = Kept()\natexit.register(print, 'registered')\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n"
        f"with whole_process():\n    print('printed', end=' ')\n    {end}\n"
    )
    printed, _ = process.communicate(timeout=SECONDS)
    down = "taken down\n" if "exit('no')" in end else ""
    assert (printed, process.returncode) == (f"printed thread\nregistered\n{down}", code)


def test_a_fault_passes_through_a_whole_process_and_output_that_nobody_reads_is_said() -> None:
    _, said = start("with whole_process():\n    raise KeyError('a')\n").communicate(timeout=SECONDS)
    assert said.splitlines()[-1] == "KeyError: 'a'"
    process = start("with whole_process():\n    sys.stdin.read()\n    print('x')\n", stdin=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=SECONDS)
    assert "BrokenPipeError" in said
    assert "Traceback" not in said
    assert process.returncode == 120


def test_it_ends_soon_after_its_parent_was_killed(tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text(
        HEAD + f"os.chdir({str(tmp_path)!r})\n"
        "with exit_codes():\n"
        "    die_with_parent(seconds=0.05)\n"
        "    open('pid', 'w').write(str(os.getpid()))\n"
        "    try:\n        time.sleep(60)\n"
        "    finally:\n        open('cleaned', 'w').write('yes')\n"
    )
    command = [sys.executable, str(child)]
    parent = start(f"import subprocess\nsubprocess.run({command!r}, stderr=open({str(tmp_path / 'err')!r}, 'w'))\n")
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text() != "")
    process = psutil.Process(int(pid.read_text()))
    time.sleep(0.2)
    assert process.is_running(), "it must not end while its parent lives"
    parent.kill()
    parent.communicate(timeout=SECONDS)
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    assert (tmp_path / "cleaned").read_text() == "yes"
    assert (tmp_path / "err").read_text() == "ended by SIGTERM\n"


def test_letters_that_a_terminal_would_obey_are_spelled_out() -> None:
    assert one_line("a\n  b\x1b[31m\u202e 犬") == "a b\\x1b[31m\\u202e 犬"
    assert one_line(ValueError()) == "ValueError"
