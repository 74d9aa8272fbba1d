"""Errors that a user can correct, the two ways in which a sweep ends a trial, and texts on one line."""

from collections.abc import Sequence

from sprout.runtime.secrets import hidden


class UserError(Exception):
    """A mistake in what the user gave: a setting, a file, a command.

    The message is one line: the setting or file, its value, what is accepted or how to correct it. It ends the process
    with exit code 2 and without a traceback.
    """


class TrainingFailedError(UserError):
    """A training failed after it had begun; with another seed, or at another try, it might not."""


class Pruned(BaseException):
    """A sweep has pruned this trial: not an error, but its training ends here."""


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are: "a, b and 3 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def one_line(message: object) -> str:
    """A text, or an exception's message, on one line, printable and without secrets; of none the exception's type."""
    text = hidden(" ".join(str(message).split()))
    if not text and isinstance(message, BaseException):
        return type(message).__name__
    return printable(text)


def printable(text: str) -> str:
    r"""The text with its control characters escaped, such as `\n` and `\x1b`, so that no terminal obeys them."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
