"""`fxwatch tui`: the terminal monitor."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fxwatch import exit_codes
from fxwatch.commands.configured import configured
from fxwatch.commands.status import status
from fxwatch.config import load_config
from fxwatch.lifetime import end_with_parent
from fxwatch.store.layout import Store
from fxwatch.terminal import say, tell

_SPARING = 5.0
"""Seconds between two looks where each byte counts."""

_IN_A_BROWSER = "TEXTUAL_DRIVER"

_ESCAPE_DELAY, _MILLISECONDS = "ESCDELAY", "25"
"""How long Esc may be the beginning of another key, whose bytes leave a keyboard's machine together. Textual waits for
100 ms where nobody says otherwise; a line that tears keys apart is helped by a larger $ESCDELAY.
"""

_LIGHT = frozenset({"7", "15"})


class Manners(NamedTuple):
    """How the monitor behaves towards the terminal; whether its ground is light is asked of $COLORFGBG for None."""

    only_ascii: bool = False
    low_bandwidth: bool = False
    mouse: bool = False
    light: bool | None = None


AS_USUAL = Manners()


def tui(folder: Path | None, config_file: Path | None, manners: Manners = AS_USUAL, *, once: bool = False) -> int:
    """Watch until the user quits; `once`, or without a terminal, print the same as text. Returns the exit code."""
    if once or not _has_terminal():
        return _tell_once(folder, config_file, only_ascii=manners.only_ascii)
    found = configured(config_file, folder)
    if _IN_A_BROWSER in os.environ:
        end_with_parent()  # no monitor outlives its server
    return watch(found.store, found.watched, manners)


def watch(store: Store, watched: Path, manners: Manners = AS_USUAL) -> int:
    """Show a store until the user quits, as it was left the last time. Returns the exit code."""
    os.environ.setdefault(_ESCAPE_DELAY, _MILLISECONDS)  # read by Textual when it is imported
    from fxwatch.tui.app import Monitor
    from fxwatch.tui.remembered import recall, remember, state_folder

    kept = state_folder()
    monitor = Monitor(
        store,
        watched=watched,
        interval=_SPARING if manners.low_bandwidth else 1.0,
        remembered=recall(kept),
        copies=kept,
        only_ascii=manners.only_ascii or not _speaks_unicode(),
        light=_on_light_ground() if manners.light is None else manners.light,
    )
    monitor.run(mouse=manners.mouse)
    try:
        remember(kept, monitor.remembered)
    except OSError as error:
        say(f"fxwatch: how the monitor was left cannot be remembered in {kept} ({error.strerror})")
    return monitor.return_code or exit_codes.OK


def _tell_once(folder: Path | None, config_file: Path | None, *, only_ascii: bool) -> int:
    """What `fxwatch status` prints, and then what the other screens show of the worst run."""
    code = status(folder, config_file, as_json=False, fail_on=None)
    if code != exit_codes.OK:
        return code
    config = load_config(config_file, folder).config  # whose warnings were said
    watched = folder if folder is not None else Path(config.watch.dir)
    from fxwatch.tui.place import Look
    from fxwatch.tui.read.reader import StoreReader
    from fxwatch.tui.view.everything_in_words import everything_in_words
    from fxwatch.tui.view.only_ascii import only_ascii as in_ascii

    read = StoreReader(Store.of(watched, config.store.dir), watched, time.time)
    snapshot = read([Look("compare")])
    while snapshot.past is not None and snapshot.past.reading:
        snapshot = read()
    for sentence in everything_in_words(snapshot):
        tell(in_ascii(sentence) if only_ascii else sentence)
    return code


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


def _on_light_ground(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal says by $COLORFGBG that its ground is white."""
    return environment.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT


def _speaks_unicode() -> bool:
    """Whether what is printed arrives as it is."""
    return sys.__stdout__ is None or "utf" in (sys.__stdout__.encoding or "").casefold()
