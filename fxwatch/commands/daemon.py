"""`fxwatch daemon`: watch a folder, or explain once what is in it."""

import errno
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fxwatch import exit_codes
from fxwatch.commands.configured import configured
from fxwatch.config import Config
from fxwatch.records.base import Verdict, at_or_below
from fxwatch.store.layout import Store, StoreError
from fxwatch.store.lock import HeldError, held
from fxwatch.terminal import say

if TYPE_CHECKING:
    from fxwatch.daemon.service import Summary

Made = TypeVar("Made")
_MAY_PASS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
LONGEST_END = 18.0
"""Seconds from a signal to the end, whatever hangs: all that is to be noted was noted long before."""
RETURNED_EVERY = 2.0
"""Seconds between looks for a watched folder that has gone."""


def daemon(folder: Path | None, config_file: Path | None, *, once: bool, serve: bool, fail_on: Verdict | None) -> int:
    """Watch the folder. Returns the exit code."""
    config, file, watched = configured(config_file, folder)
    if once and serve:
        say("fxwatch: --once ends when nothing is left to do; type `fxwatch serve` to look at the results")
        return exit_codes.USAGE
    if not watched.is_dir():
        say(
            f"fxwatch: {watched} is not a folder; name the one that training writes to, as in `fxwatch daemon outputs/`"
        )
        return exit_codes.NOTHING
    watched = watched.absolute()
    store = Store.of(watched, config.store.dir)
    store.create()
    try:
        found = _watch(watched, config, file, store, once=once, serve=serve)
    except HeldError as error:
        say(f"fxwatch: {watched} is watched already by {error}")
        return exit_codes.LOCKED
    if not once:
        return exit_codes.OK
    if not found.checkpoints:
        say(f"fxwatch: there is no checkpoint in {watched} (.pt, .pth, .ckpt, .zip or .safetensors)")
        return exit_codes.NOTHING
    told = [f"{found.analysed} analysed", *(f"{count} {state}" for state, count in found.others.items() if count)]
    say(f"fxwatch: {', '.join(told)} of {found.checkpoints} checkpoints; results in {store.root}")
    if not found.analysed and (found.others["failed"] or found.without_states):
        return exit_codes.FAILURE
    return exit_codes.UNHEALTHY if at_or_below(found.verdict, fail_on) else exit_codes.OK


def _watch(
    watched: Path, config: Config, config_file: Path | None, store: Store, *, once: bool, serve: bool
) -> "Summary":
    """Run daemons, one after another: a new one where the store was removed under the one before."""
    from fxwatch.daemon.cage import missing
    from fxwatch.daemon.heralds import Heralds
    from fxwatch.daemon.limits import no_code_from
    from fxwatch.daemon.narrator import Narrator
    from fxwatch.daemon.page import page
    from fxwatch.daemon.service import Daemon
    from fxwatch.formats.adapters import passed_over

    no_code_from(watched)
    ending = _Ending()
    with page(watched, config_file) if serve else nullcontext(), Narrator() as narrator:
        for words in passed_over():
            narrator.say(words)
        while True:
            with held(store.lock) as lock:
                service = _patiently(
                    functools.partial(Daemon, watched, config, store, lock, narrator, once=once),
                    None if once else ending.asked,
                    narrator.say,
                )
                ending.ends(service.stop)
                if not once:
                    narrator.say(f"watching {watched}, results in {store.root}; Ctrl-C ends it")
                    for wall in missing():
                        narrator.say(wall)
                with Heralds(watched, config, config_file, store, narrator.say, once=once):
                    service.run()
            if not service.displaced:
                return service.summary()
            if not _back(watched, store, ending.asked, narrator.say):
                return service.summary()


class _Ending:
    """SIGTERM and SIGINT: the first asks for an end, the second does not wait for it, as the store bears that."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._stop: Callable[[], None] = self.asked.set
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def ends(self, stop: Callable[[], None]) -> None:
        """From now on it is this that ends."""
        self._stop = stop
        if self.asked.is_set():
            stop()

    def _on_signal(self, *_: object) -> None:
        if self.asked.is_set():
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # a progress bar hides the cursor
            os._exit(exit_codes.FAILURE)
        self.asked.set()
        self._stop()
        latest = threading.Timer(LONGEST_END, os._exit, [exit_codes.OK])  # as a server of workers may be starting still
        latest.daemon = True
        latest.start()


def _patiently(begin: Callable[[], Made], ending: threading.Event | None, say: Callable[[str], None]) -> Made:
    """What is begun, as soon as a full disk or the like lets it. Raises OSError where nobody would wait for that."""
    said = ""
    while True:
        try:
            return begin()
        except OSError as error:
            if ending is None or error.errno not in _MAY_PASS:
                raise
            words = f"the folder of results cannot be written ({error.strerror}); waiting until it can"
            if words != said:
                say(words)
            said = words
            if ending.wait(RETURNED_EVERY):
                raise


def _back(watched: Path, store: Store, ending: threading.Event, say: Callable[[str], None]) -> bool:
    """Wait until there is a watched folder again, and a place for results; False where the end comes first."""
    said = ""
    while True:
        why = f"there is no folder {watched}"
        try:
            if watched.is_dir():
                store.create()
                return True
        except StoreError as error:
            why = str(error)
        if why != said:
            say(f"{why}; waiting until that is over")
        said = why
        if ending.wait(RETURNED_EVERY):
            return False
