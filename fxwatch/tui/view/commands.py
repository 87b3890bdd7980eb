"""Commands to type, with the folder in them."""

import shlex

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.text import name


def daemon_command(snapshot: Snapshot) -> str:
    """What starts a daemon on the watched folder."""
    return f"fxwatch daemon {_folder(snapshot)}"


def report_command(snapshot: Snapshot) -> str:
    """What draws the reports of the watched folder."""
    return f"fxwatch report {_folder(snapshot)}"


def read_command(snapshot: Snapshot) -> str:
    """What lets others read the results, typed by the user who owns them."""
    return f"chmod -R a+rX {name(shlex.quote(snapshot.store), 400)}"


def _folder(snapshot: Snapshot) -> str:
    return name(shlex.quote(snapshot.watched), 400)
