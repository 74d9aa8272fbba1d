"""Runs the page on which a person labels images."""

from sprout.config.label import Label
from sprout.label.answers import refuse_read_only
from sprout.label.knowledge import Learning
from sprout.label.standing import Standing
from sprout.runtime.errors import UserError

EXTRA = "pip install 'sprout[label]'"
HOST = "127.0.0.1"


def run(standing: Standing, strategy: Label, port: int) -> None:
    """Show images and write the answers until the process is told to end.

    Args:
        standing: the images and their answers.
        strategy: how images of the pool are chosen.
        port: 0 takes a free one.

    Raises:
        UserError: the address is in use, the answers cannot be written, or a package is missing.
    """
    try:
        from sprout.label.app import make_app
        from sprout.label.queue import Queue
        from sprout.serve.listening import address_of, listen, run_app
    except ImportError as error:
        raise UserError(f"sprout label: needs the package {error.name}: {EXTRA}") from None
    refuse_read_only(standing.file.path)
    listening = listen(HOST, port)
    said = f"label images at {address_of(HOST, listening)}; answers go to {standing.file.path}; Ctrl-C ends it"
    app = make_app(standing, Queue(standing, strategy), Learning(standing.images).start())
    run_app(app, listening, said)
