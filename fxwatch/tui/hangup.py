"""Ends the monitor when its terminal goes away, also where nobody is told so by SIGHUP (nohup, sudo, some wrappers)."""

import asyncio
import os
import select
import signal
import threading
from collections.abc import Callable

_EVERY = 0.5
_GRACE = 0.6


class Hangup:
    """Looks at a terminal twice a second. When it has gone it asks the program to end, then insists, then ends it.

    A program that waits for its terminal to take more, for ever, hears neither.
    """

    def __init__(self, terminal: int, end: Callable[[], object]) -> None:
        self._terminal, self._end = terminal, end
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to look; a file that is no terminal is not looked at."""
        if os.isatty(self._terminal):
            threading.Thread(target=self._watch, name="fxwatch-hangup", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            if gone(self._terminal):
                threading.Thread(target=self._end, daemon=True).start()
                if not self._over.wait(_GRACE):
                    os.kill(os.getpid(), signal.SIGTERM)
                if not self._over.wait(_GRACE):
                    os._exit(1)
                return


def gone(terminal: int) -> bool:
    """Whether a terminal has hung up."""
    if not os.isatty(terminal):
        return True
    poll = select.poll()
    poll.register(terminal, 0)
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))


def end_by_signals(end: Callable[[], object]) -> None:
    """Let SIGTERM, SIGINT and SIGHUP end the program in good order, unless somebody sees to that already."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        for number in (signal.SIGTERM, signal.SIGINT, *(() if nohup else (signal.SIGHUP,))):
            asyncio.get_running_loop().add_signal_handler(number, end)
