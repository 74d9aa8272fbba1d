"""Runs the HTTP server of a model."""

import socket

from sprout.models.predictor import Predictor, load_predictor
from sprout.predict.folder_model import image_format
from sprout.predict.named_model import model_folder
from sprout.runtime.errors import UserError
from sprout.serve.limits import Limits

EXTRA = "pip install 'sprout[serve]'"


def run(name: str, host: str, port: int, resize: str | None, seconds: float) -> None:
    """Serve a model until the process is told to end.

    Args:
        name: of the model: a folder, or one of the tracking store.
        host: the address to listen on.
        port: 0 takes a free one.
        resize: as in `FolderModel`.
        seconds: until a request must be answered.

    Raises:
        UserError: there is no such model, it predicts nothing that can be answered, the address is in use, or a package
            is missing.
    """
    with model_folder(name) as folder:
        model = answering(name, load_predictor(folder))
        takes_images = len(model.card.input_shape) == 3
        target = image_format(folder, model.card, resize) if takes_images else None
    if resize is not None and not takes_images:
        raise UserError(f"--resize {resize}: {name} takes rows of a table; leave it out")
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

    app = make_app(name, model, target, Limits(seconds=seconds))
    Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])


def answering(name: str, model: Predictor) -> Predictor:
    """Return the model.

    Raises:
        UserError: its task has no prediction that can be answered.
    """
    if not model.task.printed_columns(1):
        raise UserError(f"{name}: the task {model.card.task} has no prediction to answer; give --model another folder")
    return model


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
