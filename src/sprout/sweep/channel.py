"""How the processes of a sweep speak with each other: JSON, a message at a time."""

import json
import signal
from multiprocessing.connection import Connection
from typing import Any

from sprout.runtime.signals import Killed

Message = dict[str, Any]


def send(channel: "Connection[Any, Any]", message: Message) -> None:
    """One message.

    Raises:
        OSError: the other process is gone.
    """
    channel.send_bytes(json.dumps(message).encode())


def ask(channel: "Connection[Any, Any]", message: Message) -> Message:
    """Send a message and wait for the answer.

    Raises:
        Killed: the other process is gone, and this one is to end as if it had been asked to.
    """
    try:
        send(channel, message)
    except OSError:
        raise Killed(signal.SIGTERM) from None
    answer = receive(channel)
    if answer is None:
        raise Killed(signal.SIGTERM)
    return answer


def receive(channel: "Connection[Any, Any]") -> Message | None:
    """The next message, or None where there will be no more."""
    try:
        message: Message = json.loads(channel.recv_bytes())
    except (EOFError, OSError):  # also one that was cut off in the middle
        return None
    return message
