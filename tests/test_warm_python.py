"""Commands of a warm Python run and end as those of a new process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from warm_python import READ_ONCE, warm_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="real processes are started elsewhere")


def started(*words: object, python: str | None = None, **given: Any) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    command = [python or warm_python(), *map(str, words)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **given)


def ended(*words: object, text: str = "", **given: Any) -> tuple[int, str, str]:
    process = started(*words, **given)
    out, err = process.communicate(text, timeout=60)
    return process.returncode, out, err


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_has_imported_the_libraries_and_nothing_of_sprout() -> None:
    code = "import sys; print('torch' in sys.modules, 'sprout' in sys.modules)"
    assert ended("-c", code) == (0, "True False\n", "")


@pytest.mark.parametrize(
    "code",
    [
        *("pass", "import sys; sys.exit(7)", "import sys; sys.exit('no')", "import os; os._exit(3)"),
        *("import os; os.kill(os.getpid(), 9)", "import os; os.abort()", "raise SystemExit"),
        "import atexit, threading, time; atexit.register(print, 1)\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print(2))).start()",
    ],
)
def test_it_ends_as_a_new_process(code: str) -> None:
    assert ended("-c", code) == ended("-c", code, python=sys.executable)


def test_an_exception_ends_it_with_a_traceback() -> None:
    code, out, err = ended("-c", "1 / 0")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("words", [["script.py"], ["-m", "script"], ["-u", "script.py"], ["-X", "utf8", "script.py"]])
def test_it_sees_what_a_new_process_sees(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import os, sys, __main__\n"
        "print(sys.argv, sys.path, os.getcwd(), os.getppid(), os.environ['GIVEN'], os.environ['PYTHONPATH'])\n"
        "print(__name__, __file__, __main__.__file__, sys.stdin.read(), file=sys.stderr)\n"
        "print(open(int(sys.argv[1]), 'w').write('written'), os.listdir('/proc/self/fd')[:-1])\n"
    )
    (tmp_path / "more").mkdir()
    found = []
    for python in (warm_python(), sys.executable):
        file = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
        env = os.environ | {"GIVEN": "x", "PYTHONPATH": "more:src"}
        found.append(ended(*words, file, "a", python=python, text="hello", cwd=tmp_path, env=env, pass_fds=[file]))
        os.close(file)
        assert (tmp_path / "file").read_text() == "written"
        (tmp_path / "file").unlink()
    assert found[0] == found[1]
    assert found[0][0] == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("handled", [True, False])
def test_signals_reach_it(signum: signal.Signals, handled: bool) -> None:
    handler = "lambda signum, _: sys.exit(signum + 100)" if handled else "signal.SIG_DFL"
    code = f"import signal, sys, time; signal.signal({signum}, {handler}); print('ready', flush=True); time.sleep(60)"
    process = started("-c", code)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signum)
    process.communicate(timeout=60)
    assert process.returncode == (signum + 100 if handled else -signum)


def test_it_dies_with_its_command() -> None:
    process = started("-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.communicate()
    wait_for(lambda: not psutil.pid_exists(pid))


def test_another_environment_of_the_libraries_needs_a_new_process() -> None:
    code = "import sys; print('torch' in sys.modules)"
    assert "OMP_" in READ_ONCE
    assert ended("-c", code, env=os.environ | {"OMP_NUM_THREADS": "2"}) == (0, "False\n", "")


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import os, sys, time, warm_python; warm_python.LIBRARIES = ()\n"
        "print(warm_python.commands(), flush=True); time.sleep(60)"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(("src", "tests"))}
    process = started("-c", code, python=sys.executable, env=env)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    (server,) = psutil.Process(process.pid).children()
    assert folder.is_dir()
    process.kill()
    process.communicate()
    wait_for(lambda: not folder.exists() and not server.is_running())
