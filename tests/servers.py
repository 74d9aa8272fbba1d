"""Local web servers, working and broken."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[["Answering"], None]
"""Answers a request instead of the working server."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that disconnects is not an error.
    handle_error = lambda *_: None  # noqa: E731


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    """Run a server; yields its address."""
    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Site:
    """A file on a server, under any path."""

    data: bytes
    etag: str | None = '"1"'
    modified: str | None = None
    faults: list[Fault] = field(default_factory=list)
    """One for each request, in order; afterwards the server works."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request."""
    closing: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    @property
    def url(self) -> str:
        return f"{self.address}/data.bin"

    @property
    def ranges(self) -> list[str | None]:
        """Return the header `Range` of each request."""
        return [headers.get("Range") for headers in self.asked]


@contextmanager
def site(data: bytes, *faults: Fault, **more: Any) -> Iterator[Site]:
    """Run a server that answers with each fault once, then with the file."""
    it = Site(data, faults=list(faults), **more)
    with serving(type("Handler", (Answering,), {"site": it})) as it.address:
        yield it
        it.closing.set()


class Answering(BaseHTTPRequestHandler):
    """Answers for its `site`."""

    site: Site

    def do_GET(self) -> None:
        self.site.asked.append(dict(self.headers))
        (self.site.faults.pop(0) if self.site.faults else right)(self)

    def head(self, status: int, length: int | None, **headers: str | None) -> None:
        """Send status and headers; None omits a header, an underscore becomes a hyphen."""
        self.send_response(status)
        known = {"ETag": self.site.etag, "Last-Modified": self.site.modified}
        said = known | {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in said.items():
            if value is not None:
                self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def rest(self) -> int | None:
        """Return the first byte that is requested; None for the complete file, also if it has changed."""
        unchanged = self.headers.get("If-Range") in (None, self.site.etag, self.site.modified)
        asked = self.headers.get("Range", "")
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked and unchanged else None

    def log_message(self, *_: Any) -> None:
        pass


def right(request: Answering) -> None:
    """Send the file, or the requested range of it."""
    data, start = request.site.data, request.rest()
    if start is None:
        whole(request)
    elif start >= len(data):
        request.head(416, 0, Content_Range=f"bytes */{len(data)}")
    else:
        request.head(206, len(data) - start, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.wfile.write(data[start:])


def whole(request: Answering) -> None:
    """Send the complete file, ignoring the range."""
    request.head(200, len(request.site.data))
    request.wfile.write(request.site.data)


def refuse(status: int, **headers: str) -> Fault:
    """Send a status without a body."""
    return lambda request: request.head(status, 0, **headers)


def redirect(to: str) -> Fault:
    return refuse(302, Location=to)


def short(count: int) -> Fault:
    """Send only `count` bytes, although the headers state all."""

    def answer(request: Answering) -> None:
        data, start = request.site.data, request.rest() or 0
        span = f"bytes {start}-{len(data) - 1}/{len(data)}" if start else None
        request.head(206 if start else 200, len(data) - start, Content_Range=span)
        request.wfile.write(data[start : start + count])

    return answer


def stall(count: int) -> Fault:
    """Send `count` bytes, then nothing."""

    def answer(request: Answering) -> None:
        short(count)(request)
        request.wfile.flush()
        request.site.closing.wait(20)

    return answer


def silent(request: Answering) -> None:
    """Send no answer."""
    request.site.closing.wait(20)


def hang_up(request: Answering) -> None:
    """Close the connection without an answer."""


def babble(request: Answering) -> None:
    """Answer in another protocol."""
    request.wfile.write(b"220 mail.example ESMTP\r\n")


def unmeasured(length: str | None) -> Fault:
    """Send the complete file without a valid length."""

    def answer(request: Answering) -> None:
        request.head(200, None, Content_Length=length)
        request.wfile.write(request.site.data)

    return answer


def other_span(said: str) -> Fault:
    """Send the rest of the file with another `Content-Range`."""

    def answer(request: Answering) -> None:
        rest = request.site.data[request.rest() or 0 :]
        request.head(206, len(rest), Content_Range=said)
        request.wfile.write(rest)

    return answer


def changed(data: bytes, etag: str | None = '"2"') -> Fault:
    """From now on, serve another file."""

    def answer(request: Answering) -> None:
        request.site.data, request.site.etag = data, etag
        right(request)

    return answer


def careless(data: bytes, etag: str | None = '"2"') -> Fault:
    """From now on, serve another file, and send the rest of it although the condition fails."""

    def answer(request: Answering) -> None:
        request.site.data, request.site.etag = data, etag
        del request.headers["If-Range"]
        right(request)

    return answer
