"""What the user can mend: a command ends with its one sentence, and not with a traceback."""

from fxwatch import exit_codes


class MendableError(Exception):
    """The message says what is wrong and what to do; a command that it ends has `exit_code`."""

    exit_code = exit_codes.FAILURE
