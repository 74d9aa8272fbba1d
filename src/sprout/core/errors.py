"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A mistake in what the user gave (a setting, a file, a command).

    The message is one line and names the field or file, its value, what is accepted and what to do.
    At the edge it ends the process with exit code 2 and no traceback.
    """
