"""How the processes of a sweep speak with each other: JSON, a message at a time."""

import json
from multiprocessing.connection import Connection
from typing import Any

Message = dict[str, Any]


def send(channel: "Connection[Any, Any]", message: Message) -> None:
    """One message.

    Raises:
        OSError: the other process is gone.
    """
    channel.send_bytes(json.dumps(message).encode())


def receive(channel: "Connection[Any, Any]") -> Message | None:
    """The next message, or None where there will be no more."""
    try:
        message: Message = json.loads(channel.recv_bytes())
    except (EOFError, ConnectionResetError):
        return None
    return message
