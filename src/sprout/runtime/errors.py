"""What means: the user can mend this; what means: no use going on; and errors in one line."""


class UserError(Exception):
    """A mistake in what the user gave (a setting, a file, a command).

    The message is one line and names the field or file, its value, what is accepted and what to do.
    At the edge it ends the process with exit code 2 and no traceback.
    """


class TrainingFailedError(UserError):
    """A training that had begun has failed: with other chance, or another try, it might not."""


class Paused(BaseException):
    """A sweep leaves this trial for now: no error, and it goes on from its checkpoint or not."""


class Pruned(BaseException):
    """A sweep does not go on with this trial: no error, but what it does ends here."""


def one_line(said: object) -> str:
    """A text, or an error's, on one line; letters that a terminal would obey are spelled out."""
    text = " ".join(str(said).split())
    if not text and isinstance(said, BaseException):
        return type(said).__name__
    return printable(text)


def printable(text: str) -> str:
    """A text on one line, whatever is in it: what cannot be printed is spelled out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
