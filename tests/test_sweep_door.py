"""The port at which the workers of other machines connect, without a cluster."""

import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from servers import free_port
from sprout.runtime.errors import UserError
from sprout.sweep.door import Door, connect
from sprout.sweep.messages import receive, send
from sprout.sweep.seat import Seat, Start

HOST = "127.0.0.1"


@pytest.fixture
def door() -> Iterator[Door]:
    with contextlib.closing(Door(HOST)) as opened:
        yield opened


@pytest.fixture
def entered(door: Door) -> "queue.Queue[Connection]":
    """The channels of workers named `one`."""
    found: queue.Queue[Connection] = queue.Queue()
    door.expect("one", found.put)
    return found


@pytest.fixture
def start_of(door: Door, tmp_path: Path) -> Callable[..., Start]:
    """What a seat is told; its log is as the supervisor begins it."""
    (tmp_path / "log").write_text("worker: one\n")

    def make(**changes: object) -> Start:
        given = {"name": "one", "address": door.address, "key": door.key, "workspace": tmp_path}
        return Start(**(given | {"log": tmp_path / "log", "environment": {"GIVEN": "x"}} | changes))

    return make


def test_messages_go_both_ways(door: Door, entered: "queue.Queue[Connection]") -> None:
    with connect(door.address, door.key, "one") as theirs:
        ours = entered.get(timeout=60)
        send(theirs, {"event": "ready"})
        assert receive(ours) == {"event": "ready"}
        send(ours, {"decision": "continue"})
        assert receive(theirs) == {"decision": "continue"}
    assert receive(ours) is None


def test_another_key_is_refused(door: Door, entered: "queue.Queue[Connection]") -> None:
    with pytest.raises(UserError, match=rf"^{HOST}:{door.address[1]}: .* another key$"):
        connect(door.address, b"a guess", "one")
    assert entered.empty()
    connect(door.address, door.key, "one").close()
    assert entered.get(timeout=60), "the worker itself is still let in"


def test_one_that_says_nothing_or_nonsense_holds_up_nobody(door: Door, entered: "queue.Queue[Connection]") -> None:
    with socket.create_connection(door.address), socket.create_connection(door.address) as other:
        other.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connect(door.address, door.key, "one").close()
        assert entered.get(timeout=60)


def test_a_worker_is_let_in_once_and_not_after_it_was_forgotten(door: Door, entered: "queue.Queue[Connection]") -> None:
    connect(door.address, door.key, "one").close()
    entered.get(timeout=60)
    door.expect("two", entered.put)
    door.forget("two")
    for name in ("one", "two", "unknown"):
        with connect(door.address, door.key, name) as late:
            assert receive(late) is None
    assert entered.empty()


def test_the_door_listens_at_its_address_alone_and_no_longer_than_it_is_open(door: Door) -> None:
    listening = [each.laddr for each in psutil.Process().net_connections("tcp") if each.status == "LISTEN"]
    assert [each.ip for each in listening if each.port == door.address[1]] == [HOST]
    door.close()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            socket.create_connection(door.address).close()
        except ConnectionRefusedError:
            return
    pytest.fail("it still listens")


def test_a_port_that_nobody_listens_at_is_named() -> None:
    port = free_port()
    with pytest.raises(UserError, match=rf"^{socket.gethostname()}: cannot reach the supervisor .* {HOST}:{port} \("):
        connect((HOST, port), b"key", "one")


def test_a_supervisor_that_ends_during_the_handshake_is_one_line() -> None:
    with socket.create_server((HOST, 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close()).start()
        with pytest.raises(UserError, match="cannot reach the supervisor"):
            connect(server.getsockname(), b"key", "one")


WORKER = """
import json, os, sys
from multiprocessing.connection import Connection
channel = Connection(int(sys.argv[1]))
channel.send_bytes(json.dumps([os.getcwd(), os.environ.get("GIVEN"), os.environ["CUDA_VISIBLE_DEVICES"]]).encode())
channel.recv_bytes()
"""


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a worker is a small program, and Ray has given it two GPUs."""
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/worker.py "$3"\n')
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("sprout.sweep.seat.gpus", lambda: ["2", "GPU-5ce1"])


def running(seat: Seat, start: Start) -> "queue.Queue[int]":
    """Run a seat in a thread; its exit code comes at the end."""
    codes: queue.Queue[int] = queue.Queue()
    threading.Thread(target=lambda: codes.put(seat.run(start)), daemon=True).start()
    return codes


@pytest.mark.usefixtures("played")
def test_a_seat_runs_the_process_of_a_worker_and_ends_it(
    entered: "queue.Queue[Connection]", start_of: Callable[..., Start], tmp_path: Path
) -> None:
    seat = Seat()
    codes = running(seat, start_of())
    channel = entered.get(timeout=60)
    assert receive(channel) == [str(tmp_path), "x", "2,GPU-5ce1"]
    assert seat.process is not None
    seen = " ".join(psutil.Process(seat.process.pid).cmdline())
    seat.terminate()
    assert codes.get(timeout=60) == -15
    assert receive(channel) is None
    assert start_of().key.hex() not in seen + (tmp_path / "log").read_text() + repr(start_of())


@pytest.mark.usefixtures("played")
def test_a_seat_that_was_told_to_end_starts_no_process(
    entered: "queue.Queue[Connection]", start_of: Callable[..., Start]
) -> None:
    seat = Seat()
    seat.terminate()
    assert running(seat, start_of()).get(timeout=60) == -15
    assert seat.process is None
    assert receive(entered.get(timeout=60)) is None


@pytest.mark.parametrize("change", [{"log": Path("/nowhere/log")}, {"name": "another"}])
def test_a_machine_without_the_folder_of_the_sweep_says_so(
    start_of: Callable[..., Start], change: dict[str, object]
) -> None:
    """There is none, or one of another sweep at the same path."""
    with pytest.raises(UserError, match=rf"/log: the machine {socket.gethostname()} does not have the folder"):
        Seat().run(start_of(**change))


def test_a_process_that_dies_before_it_is_ready_leaves_a_closed_channel(
    entered: "queue.Queue[Connection]", start_of: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    monkeypatch.setattr("sprout.sweep.seat.gpus", lambda: [])
    assert running(Seat(), start_of()).get(timeout=60) == 1
    assert receive(entered.get(timeout=60)) is None


def test_a_seat_ends_its_process_when_it_dies_itself(
    door: Door, entered: "queue.Queue[Connection]", start_of: Callable[..., Start]
) -> None:
    """As an actor does whose machine's Ray, or whose supervisor, is lost."""
    start = start_of()
    program = (
        "import sprout.sweep.seat as seat, os\nfrom pathlib import Path\nseat.gpus = lambda: []\n"
        f"seat.Seat().run(seat.Start('one', {start.address}, bytes.fromhex(os.environ['KEY']), "
        f"Path({str(start.workspace)!r}), Path({str(start.log)!r}), dict(os.environ)))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], env=os.environ | {"KEY": door.key.hex()}) as (actor):
        channel = entered.get(timeout=60)
        assert receive(channel) == {"event": "ready"}
        actor.kill()
        assert receive(channel) is None
