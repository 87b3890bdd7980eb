"""`fxwatch tui`: the terminal monitor."""

import ctypes
import os
import signal
import sys
from pathlib import Path

from fxwatch import exit_codes
from fxwatch.commands.status import status
from fxwatch.config import load_config
from fxwatch.store.layout import Store
from fxwatch.terminal import say

_IN_A_BROWSER = "TEXTUAL_DRIVER"
_PR_SET_PDEATHSIG = 1


def tui(folder: Path | None, config_file: Path | None) -> int:
    """Watch until the user quits. Without a terminal it prints what `fxwatch status` prints. Returns the exit code."""
    if not _has_terminal():
        return status(folder, config_file, as_json=False, fail_on=None)
    loaded = load_config(config_file, folder)
    for warning in loaded.warnings:
        say(f"fxwatch: {warning}")
    config = loaded.config
    watched = folder if folder is not None else Path(config.watch.dir)
    if _IN_A_BROWSER in os.environ:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # no monitor outlives its server
    from fxwatch.tui.app import Monitor

    monitor = Monitor(Store.of(watched, config.store.dir), watched=watched, thresholds=config.thresholds)
    monitor.run()
    return monitor.return_code or exit_codes.OK


def _has_terminal() -> bool:
    """Textual reads from stdin and draws on stderr; whoever has sent stdout elsewhere wants text.

    `fxwatch serve` brings a driver that draws in a browser.
    """
    if _IN_A_BROWSER in os.environ:
        return True
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    return os.environ.get("TERM", "dumb") != "dumb" and all(
        stream is not None and stream.isatty() for stream in streams
    )
