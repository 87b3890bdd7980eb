"""`fxwatch serve` beside the daemon: its address is printed, and opened where a person sits at this machine."""

import os
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fxwatch.lifetime import end_with_parent
from fxwatch.terminal import tell

_PATIENCE = 5.0


@contextmanager
def page(watched: Path, config_file: Path | None) -> Iterator[None]:
    """Serve as long as the daemon runs. Where that cannot be, the server says why, and the daemon goes on."""
    file = ["--config", str(config_file.absolute())] if config_file is not None else []
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "fxwatch", "serve", str(watched), *file],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - nothing here runs threads yet
        start_new_session=True,  # Ctrl-C is for us, and we end it
    )
    threading.Thread(target=_announce, args=(process.stdout,), daemon=True).start()
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _announce(output: IO[str]) -> None:
    """Print the address, and open it."""
    address = output.readline().strip()
    if address:
        tell(address)
        if has_local_display(os.environ.keys()):
            webbrowser.open(address)


def has_local_display(variables: Iterable[str]) -> bool:
    """Whether a browser would open before the eyes of whoever has typed the command."""
    return bool({"DISPLAY", "WAYLAND_DISPLAY"} & set(variables)) and not {"SSH_CONNECTION", "SSH_TTY"} & set(variables)
