"""Runs the HTTP server of a model."""

from sprout.predict.examples import Limits
from sprout.predict.load import load
from sprout.runtime.errors import UserError

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

        from sprout.serve.app import make_app
        from sprout.serve.listening import address_of, listen, run_app
    except ImportError as error:
        raise UserError(f"sprout serve: needs the package {error.name}: {EXTRA}") from None
    listening = listen(host, port)
    address = address_of(host, listening)
    app = make_app(model, Limits(seconds=seconds))
    run_app(app, listening, f"{name} answers POST {address}/predict; see {address}/docs; Ctrl-C ends it")
