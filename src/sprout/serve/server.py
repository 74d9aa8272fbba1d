"""Runs the HTTP server of a model."""

import socket

from sprout.predict.model import load
from sprout.runtime.errors import UserError
from sprout.serve.limits import Limits

EXTRA = "pip install 'sprout[serve]'"


def run(name: str, host: str, port: int, resize: str | None, seconds: float) -> None:
    """Serve a model until the process is told to end.

    Args:
        name: of the model: a folder, or one of the tracking store.
        host: the address to listen on.
        port: 0 takes a free one.
        resize: as of `sprout.load`.
        seconds: until a request must be answered.

    Raises:
        UserError: there is no such model, it predicts nothing that can be answered, the address is in use, or a package
            is missing.
    """
    model = load(name, resize=resize)
    model.check_predicts()
    try:
        import python_multipart  # noqa: F401
        import uvicorn

        from sprout.serve.app import make_app
    except ImportError as error:
        raise UserError(f"sprout serve: needs the package {error.name}: {EXTRA}") from None
    listening = listen(host, port)

    class Server(uvicorn.Server):
        """Says where it listens as soon as it does."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            address = f"http://{host}:{listening.getsockname()[1]}"
            print(f"{name} answers POST {address}/predict; see {address}/docs; Ctrl-C ends it", flush=True)

    app = make_app(model, Limits(seconds=seconds))
    Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])


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
            f"--host {host} --port {port}: cannot be listened on ({error.strerror}); choose another port, or 0 for a "
            "free one"
        ) from None
    return bound
