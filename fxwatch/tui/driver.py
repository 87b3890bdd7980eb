"""Textual's driver for terminals, but for how it waits for keys and learns its size.

Textual looks for the rest of a key every tenth of a second, whatever $ESCDELAY says, so Esc takes as long. It also ends
by bytes that are no UTF-8, as a multiplexer may send when one comes back to it, and runs hot when input has ended. And
it believes $COLUMNS and $LINES, which programs with readline hand on to what they start, before the terminal itself.
"""

import os
from codecs import getincrementaldecoder
from selectors import EVENT_READ, SelectSelector

from textual import constants
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_LOOK = 0.1
"""Seconds after which it is seen that the monitor ends."""
_AFTER = 0.001
_MOST = 4096


class TerminalDriver(LinuxDriver):
    """Waits for the rest of a key no longer than $ESCDELAY, and is as large as its terminal."""

    def _get_terminal_size(self) -> tuple[int, int]:
        try:
            width, height = os.get_terminal_size(self.fileno)
        except OSError:
            width = height = 0
        return (width, height) if width and height else super()._get_terminal_size()

    def run_input_thread(self) -> None:
        """Read keys until the monitor ends, or there are no more."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with SelectSelector() as selector:
            selector.register(self.fileno, EVENT_READ)
            pause = _LOOK
            while not self.exit_event.is_set():
                if selector.select(pause):
                    data = _read(self.fileno)
                    if not data:
                        return
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                    pause = min(_LOOK, constants.ESCAPE_DELAY + _AFTER)
                else:
                    pause = _LOOK
                for event in parser.tick():
                    self.process_message(event)


def _read(terminal: int) -> bytes:
    """What was typed; nothing where the terminal has gone."""
    try:
        return os.read(terminal, _MOST)
    except OSError:
        return b""
