"""A program in a terminal of its own."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; from fxwatch.cli import main; sys.argv[0] = 'fxwatch'; main()"

MONITOR = """
import sys
from pathlib import Path
from fxwatch.commands.tui import tui
sys.exit(tui(Path(sys.argv[1]), None))
"""


class Terminal:
    """Starts a Python program in a pseudo-terminal, and counts what it sends there."""

    def __init__(
        self,
        program: str,
        *arguments: str,
        size: tuple[int, int] = (120, 40),
        ignoring: Sequence[signal.Signals] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            for number in ignoring:
                signal.signal(number, signal.SIG_IGN)
            os.environ.update({"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **(environment or {})})
            os.execv(sys.executable, [sys.executable, "-c", program, *arguments])
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.attributes = termios.tcgetattr(self.master)
        self.status: int | None = None

    def read(self, seconds: float, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
        """What it sends in some seconds, or until that is enough."""
        sent, end = b"", time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not enough(sent):
            if select.select([self.master], [], [], left)[0]:
                try:
                    sent += os.read(self.master, 1 << 16)
                except OSError:  # it has closed its side
                    break
        return sent

    def write(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def hang_up(self) -> None:
        """Close the terminal under the program."""
        os.close(self.master)
        self.master = -1

    def ended(self, seconds: float) -> bool:
        """Whether it ends within some seconds."""
        end = time.monotonic() + seconds
        while self.status is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
            time.sleep(0.02)
        return self.status is not None

    def close(self) -> None:
        """End it, whatever it does."""
        if not self.ended(0.05):
            os.kill(self.pid, signal.SIGKILL)
            self.ended(5)
        if self.master >= 0:
            os.close(self.master)


def settled(terminal: Terminal) -> bytes:
    """Wait for the first screen with results, and for whatever follows it."""
    sent = terminal.read(15, lambda sent: b"PPO metrics" in sent)
    assert b"PPO metrics" in sent
    return sent + terminal.read(2.0)
