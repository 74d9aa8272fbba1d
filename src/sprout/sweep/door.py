"""The port of the supervisor at which the workers of other machines connect, and how they connect.

Both sides prove that they know the same key, as `multiprocessing.connection` does it. Messages are not encrypted.
"""

import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge
from typing import TYPE_CHECKING, Any

from sprout.runtime.errors import UserError, one_line
from sprout.sweep.messages import receive, send

if TYPE_CHECKING:
    Welcome = Callable[[Connection[Any, Any]], None]
    """Takes the channel of a worker that has connected; another thread calls it."""

CONNECT_SECONDS = 20.0
KEEP_ALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}
"""Seconds of silence before the first probe and between two, and how many are lost before the connection is: so no
firewall forgets a connection during a long epoch, and the end of a machine is noticed."""


class Door:
    """Lets in the workers of one sweep."""

    def __init__(self, host: str) -> None:
        """Listen.

        Args:
            host: the address of this machine that the workers' machines reach.
        """
        self.key = secrets.token_bytes(32)
        self.listener = Listener((host, 0), backlog=64)
        self.address: tuple[str, int] = (host, self.listener.address[1])
        self.expected: dict[str, Welcome] = {}
        self.closed = False
        threading.Thread(target=self.listen, name="sweep-door", daemon=True).start()

    def expect(self, name: str, welcome: "Welcome") -> None:
        """Let in a worker of this name, once."""
        self.expected[name] = welcome

    def forget(self, name: str) -> None:
        """Expect a worker no longer."""
        self.expected.pop(name, None)

    def close(self) -> None:
        """Listen no more."""
        self.closed = True
        with suppress(OSError):
            socket.create_connection(self.address, CONNECT_SECONDS).close()  # ends the thread's wait

    def listen(self) -> None:
        """Accept connections; each proves itself in a thread of its own, so that a silent one holds up no other."""
        with self.listener:
            while not self.closed:
                with suppress(OSError):  # a connection that has ended already
                    threading.Thread(target=self.admit, args=(self.listener.accept(),), daemon=True).start()

    def admit(self, channel: "Connection[Any, Any]") -> None:
        """Hand over the channel of a worker that is expected; close any other."""
        with suppress(AuthenticationError, AssertionError, EOFError, OSError):
            deliver_challenge(channel, self.key)
            answer_challenge(channel, self.key)
            welcome = self.expected.pop((receive(channel) or {}).get("worker", ""), None)
            if welcome is not None:
                keep_alive(channel)
                welcome(channel)
                return
        channel.close()


def connect(address: tuple[str, int], key: bytes, name: str) -> "Connection[Any, Any]":
    """Connect to the door of a supervisor.

    Args:
        address: host and port.
        key: of the sweep.
        name: of the worker.

    Raises:
        UserError: nothing answers there, or it has another key.
    """
    host, port = address
    try:
        with socket.create_connection(address, CONNECT_SECONDS) as sock:
            sock.settimeout(None)
            channel: Connection[Any, Any] = Connection(sock.detach())
        answer_challenge(channel, key)
        deliver_challenge(channel, key)
        send(channel, {"worker": name})
    except AuthenticationError:
        raise UserError(f"{host}:{port}: another sweep listens there, which has another key") from None
    except (EOFError, OSError) as error:
        raise UserError(
            f"{socket.gethostname()}: cannot reach the supervisor of the sweep at {host}:{port} ({one_line(error)}); "
            "the machines of the cluster must be able to connect to any port of one another"
        ) from None
    keep_alive(channel)
    return channel


def keep_alive(channel: "Connection[Any, Any]") -> None:
    """Let the system probe a connection on which nothing is said."""
    with socket.fromfd(channel.fileno(), socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
