"""What terminals, multiplexers and mistakes do to a monitor: it goes on, or ends with the terminal as it was."""

import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fxwatch.store.layout import Store
from tests.machine import program
from tests.tui.examples import beat, fill
from tests.tui.terminal import MONITOR, ROOT, Terminal

FAILING = """
import sys
from pathlib import Path
from fxwatch.store.layout import Store
from fxwatch.tui.app import Monitor
from tests.tui.examples import snapshot
seen = []
def read(wishes):
    seen.append(1)
    return snapshot() if len(seen) < 3 else 1 / 0
monitor = Monitor(Store(Path("x")), watched=Path("x"), read=read, interval=0.5)
monitor.run()
sys.exit(monitor.return_code)
"""
RESTORED = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l")


def test_a_mistake_ends_it_with_the_terminal_restored_and_a_traceback(opened: list[Terminal]) -> None:
    opened.append(terminal := Terminal(FAILING))
    sent = terminal.read(15, lambda sent: b"ZeroDivisionError" in sent)
    assert terminal.ended(3)
    sent += terminal.read(0.3)
    assert os.waitstatus_to_exitcode(terminal.status or 0) == 1
    assert all(mode in sent for mode in RESTORED)
    assert sent.index(RESTORED[0]) < sent.index(b"ZeroDivisionError")
    assert termios.tcgetattr(terminal.master)[:4] == terminal.attributes[:4]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(terminal: Terminal, number: signal.Signals) -> None:
    os.kill(terminal.pid, number)
    sent = terminal.read(2.0, lambda sent: all(mode in sent for mode in RESTORED))
    assert all(mode in sent for mode in RESTORED)
    assert terminal.ended(2.0)
    assert termios.tcgetattr(terminal.master)[:4] == terminal.attributes[:4]


def test_a_storm_of_resizes(terminal: Terminal) -> None:
    chosen = random.Random(7)
    for number in range(120):
        size = (40, 120) if number == 119 else (chosen.randint(1, 70), chosen.randint(1, 220))
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        terminal.read(0.01)
    terminal.read(1)
    terminal.write(b"?")
    assert b"Keys" in terminal.read(3, lambda sent: b"Keys" in sent)
    terminal.write(b"q")
    terminal.read(1)
    assert terminal.ended(2.0)
    assert os.waitstatus_to_exitcode(terminal.status or 0) == 0


def test_bytes_that_are_no_text_are_no_harm(terminal: Terminal) -> None:
    """As a multiplexer may send when one comes back to it."""
    terminal.write(b"\xff\xfe\x9b\x80\x1b[?62;22c\x1b[I\x1b[O")
    terminal.read(0.5)
    terminal.write(b"?")
    assert b"Keys" in terminal.read(3, lambda sent: b"Keys" in sent)


class Tmux:
    """A server of its own, with the monitor in its only session."""

    def __init__(self, socket: Path, *program: str) -> None:
        self._socket = str(socket)
        self("new-session", "-d", "-s", "monitor", "-x", "120", "-y", "40", *program)
        self.monitor = int(self("list-panes", "-F", "#{pane_pid}"))

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def shows(self, words: str, seconds: float = 15.0) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if words in self("capture-pane", "-p", "-t", "monitor"):
                return True
            time.sleep(0.1)
        return False

    def client(self) -> Terminal:
        return Terminal("import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", *self._attach())

    def _attach(self) -> list[str]:
        return ["tmux", "-S", self._socket, "attach", "-t", "monitor"]


@pytest.fixture
def tmux(live: Path, tmp_path: Path) -> Iterator[Tmux]:
    program("tmux")
    environment = [f"PYTHONPATH={ROOT}", f"XDG_STATE_HOME={tmp_path / 'state'}"]
    server = Tmux(tmp_path / "tmux", "env", *environment, sys.executable, "-c", MONITOR, str(live))
    yield server
    server("kill-server")


def test_detached_from_tmux_it_goes_on_and_reattached_it_is_up_to_date(
    tmux: Tmux, live: Path, opened: list[Terminal]
) -> None:
    assert tmux.shows("live at step 1,600 (16 of 16)")
    for step in (1700, 1800):
        opened.append(client := tmux.client())
        assert b"PPO metrics" in client.read(5, lambda sent: b"PPO metrics" in sent)
        tmux("detach-client", "-s", "monitor")
        client.read(0.5)
        assert client.ended(3)
        fill(live, range(step, step + 100, 100))
        beat(Store.of(live, None), time.time())
        assert tmux.shows(f"live at step {step:,}", 10)
    opened.append(client := tmux.client())
    client.read(5, lambda sent: b"live at step" in sent)
    client.write(b"\x1b[D")
    assert tmux.shows("held at step 1,700", 5)
    client.hang_up()  # a link that breaks takes the client, and not the monitor
    time.sleep(0.5)
    os.kill(tmux.monitor, 0)
    tmux("send-keys", "-t", "monitor", "q")
    assert gone(tmux.monitor)


def test_after_many_resizes_in_tmux_all_is_where_it_belongs(tmux: Tmux) -> None:
    assert tmux.shows("PPO metrics")
    for width, height in [(60, 16), (200, 60), (80, 24), (30, 9), (151, 33), (120, 40)] * 3:
        tmux("resize-window", "-t", "monitor", "-x", str(width), "-y", str(height))
    assert tmux.shows("─   2 Model internals ─")  # in the second column
    screen = tmux("capture-pane", "-p", "-t", "monitor")
    assert [screen.count(title) for title in ("PPO metrics", "Gradient flow", "Model internals", "Warnings")] == [1] * 4
    assert screen.splitlines()[-1].startswith(" q quit")


def test_when_tmux_ends_it_ends(tmux: Tmux) -> None:
    assert tmux.shows("PPO metrics")
    tmux("kill-server")
    assert gone(tmux.monitor)


def gone(pid: int, seconds: float = 2.0) -> bool:
    """Whether a process of somebody else's ends in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
