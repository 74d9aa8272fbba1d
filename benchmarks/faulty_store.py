"""MLflow's server behind a proxy that lets requests fail, wait or lose their answers."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from enum import Enum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

DELAY = 10.0
"""Seconds that a slow server takes for each answer."""
PATIENCE = 60.0
HOP = ("connection", "transfer-encoding", "content-length", "date", "server")
"""Headers that the proxy sets itself."""


class Fault(Enum):
    """What happens to each request."""

    NONE = "none"
    """It is forwarded."""
    ERROR = "error"
    """It is answered with status 500 and does not reach the server."""
    LOST = "lost"
    """The server carries it out, but the answer is status 500."""
    SLOW = "slow"
    """It waits for `DELAY` first."""


@dataclass
class Proxy:
    """A running proxy; a new `fault` holds for the next request."""

    target: str
    """The server's address."""
    fault: Fault = Fault.NONE
    uri: str = ""
    """The proxy's address."""
    requests: int = 0
    """How many have come."""


class Forwarding(BaseHTTPRequestHandler):
    """Forwards each request for its `proxy`."""

    proxy: Proxy

    def forward(self) -> None:
        """Hand a request to the server and its answer to the client, as the fault says."""
        self.proxy.requests += 1
        fault, body = self.proxy.fault, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault is Fault.SLOW:
            time.sleep(DELAY)
        if fault is Fault.ERROR:
            return self.answer(500, {}, b"")
        status, headers, content = self.ask(body)
        return self.answer(500, {}, b"") if fault is Fault.LOST else self.answer(status, headers, content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

    def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return the server's status, headers and content."""
        connection = HTTPConnection(urlsplit(self.proxy.target).netloc, timeout=PATIENCE)
        try:
            connection.request(self.command, self.path, body, own(self.headers))
            response = connection.getresponse()
            return response.status, own(response.headers), response.read()
        finally:
            connection.close()

    def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        """Send an answer; its connection ends with it."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def own(headers: Message) -> dict[str, str]:
    """Return the headers that are not of a single connection."""
    return {name: value for name, value in headers.items() if name.lower() not in HOP}


class Server(ThreadingHTTPServer):
    """Ends without waiting for answers that are under way."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client or a server that is gone, but of a mistake in the proxy."""
        if not isinstance(sys.exception(), (OSError, HTTPException)):
            super().handle_error(request, client_address)


@contextmanager
def proxy_of(target: str) -> Iterator[Proxy]:
    """Run a proxy on loopback in front of a server's address."""
    proxy = Proxy(target)
    server = Server(("127.0.0.1", 0), type("Handler", (Forwarding,), {"proxy": proxy}))
    proxy.uri = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
