"""An app behind HTTP: where it listens, and how it refuses a request in one line. Imports no torch."""

import socket
from typing import TYPE_CHECKING

import uvicorn
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sprout.runtime.errors import UserError, one_line

if TYPE_CHECKING:
    from fastapi import FastAPI


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address.

    Raises:
        UserError: it cannot be.
    """
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.create_server(address[:2], family=kind)
    except OSError as error:
        raise UserError(
            f"--port {port}: {host} cannot be listened on ({error.strerror}); choose another port, or 0 for a free one"
        ) from None
    return bound


def run_app(app: "FastAPI", listening: socket.socket, said: str) -> None:
    """Answer requests until the process is told to end.

    Args:
        app: what answers.
        listening: a bound socket.
        said: what is printed as soon as it answers.
    """

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(said, flush=True)

    Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])


def address_of(host: str, listening: socket.socket) -> str:
    """The address as a browser takes it."""
    return f"http://{host}:{listening.getsockname()[1]}"


async def refused(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that cannot be answered otherwise."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": one_line(error.detail)}, error.status_code, error.headers)


async def invalid(request: Request, error: Exception) -> JSONResponse:
    """Answer a request whose query or body is not as documented."""
    assert isinstance(error, RequestValidationError)
    reasons = [f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()]
    return JSONResponse({"error": one_line("; ".join(reasons))}, 422)
