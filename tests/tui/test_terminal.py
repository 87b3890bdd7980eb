"""Manners in a real terminal: silence when idle, thrift when live, and a clean end."""

import os
import signal
import termios
import time
from pathlib import Path

import pytest

from fxwatch.store.layout import Store
from tests.tui.examples import beat, fill
from tests.tui.terminal import COMMAND, MONITOR, Terminal, settled


def test_nothing_is_sent_while_nothing_changes(live: Path, terminal: Terminal) -> None:
    sent = b""
    for _ in range(3):
        beat(Store.of(live, None), time.time())  # the daemon lives, and says nothing new
        sent += terminal.read(1.5)
    assert sent == b""


def test_a_live_run_is_thrifty(live: Path, terminal: Terminal) -> None:
    sent = b""
    for number in range(4):
        level = 0.1 * (number % 3)
        fill(
            live,
            range(1700 + number * 100, 1800 + number * 100, 100),
            consensus=0.75 + level,
            infidelity=0.02 + level,
            shares={"hf": 0.2 + level, "mf": 0.3 - level, "lf": 0.1, "portfolio": 0.4},
            norms={f"policy.hf.layer_{index}": 10 ** (level * index / 3) for index in range(40)},
        )
        sent += terminal.read(2.0)
    assert 0 < len(sent) / 4 / 2.0 <= 2048


@pytest.mark.parametrize("ignoring", [(), (signal.SIGHUP,)])
def test_it_ends_when_its_terminal_goes_away(
    live: Path, opened: list[Terminal], ignoring: tuple[signal.Signals, ...]
) -> None:
    opened.append(terminal := Terminal(MONITOR, str(live), ignoring=ignoring))
    settled(terminal)
    terminal.hang_up()
    assert terminal.ended(2.0)


def test_it_ends_when_its_terminal_goes_away_while_it_is_stuck(live: Path, opened: list[Terminal]) -> None:
    """A terminal that takes nothing more: the writes pile up, and then it goes."""
    opened.append(terminal := Terminal(MONITOR, str(live), ignoring=(signal.SIGHUP,)))
    settled(terminal)
    for _ in range(200):
        terminal.write(b"w\x1b[C?")
        time.sleep(0.005)
    assert not terminal.ended(0.1)
    terminal.hang_up()
    assert terminal.ended(2.0)


@pytest.mark.parametrize("keys", [b"q", b"\x03", b"wq"])
def test_quitting_restores_the_terminal(live: Path, opened: list[Terminal], keys: bytes) -> None:
    opened.append(terminal := Terminal(MONITOR, str(live)))
    sent = settled(terminal)
    assert b"\x1b[?1000h" not in sent  # no mouse: the terminal's own selection goes on working
    for key in keys:
        terminal.write(bytes([key]))
        time.sleep(0.3)
    last = terminal.read(2.0)
    assert terminal.ended(2.0)
    assert os.waitstatus_to_exitcode(terminal.status or 0) == 0
    for restored in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l"):
        assert restored in last
    assert termios.tcgetattr(terminal.master)[:4] == terminal.attributes[:4]


def test_the_path_of_the_png_goes_to_the_clipboard(live: Path, opened: list[Terminal]) -> None:
    Store.of(live, None).run("default").png.touch()
    opened.append(terminal := Terminal(MONITOR, str(live)))
    settled(terminal)
    terminal.write(b"y")
    assert b"\x1b]52;c;" in terminal.read(2.0)


def test_a_terminal_without_features_gets_text(live: Path, opened: list[Terminal]) -> None:
    program = "import os; os.environ['TERM'] = 'dumb'\n" + MONITOR
    opened.append(terminal := Terminal(program, str(live)))
    sent = terminal.read(5)
    assert sent.startswith(b"Health: OK")
    assert b"\x1b" not in sent


def test_what_was_copied_is_in_a_file_too(live: Path, terminal: Terminal) -> None:
    terminal.write(b"f")
    terminal.read(1.0)
    terminal.write(b"y")
    terminal.read(2.0, lambda sent: b"also in" in sent)
    assert (live.parent / "state" / "fxwatch" / "copied.txt").read_text().startswith("price_velocity\thf\t")


def test_it_opens_as_it_was_left(live: Path, terminal: Terminal, opened: list[Terminal]) -> None:
    for key in (b"f", b"s", b"q"):
        terminal.write(key)
        terminal.read(0.5)
    assert terminal.ended(2.0)
    opened.append(again := Terminal(MONITOR, str(live)))
    assert b"by feature" in again.read(15, lambda sent: b"by feature" in sent)


def test_the_mouse_is_taken_only_where_that_is_asked_for(live: Path, opened: list[Terminal]) -> None:
    for option, taken in (("--no-mouse", False), ("--mouse", True)):
        opened.append(terminal := Terminal(COMMAND, "tui", str(live), option))
        assert (b"\x1b[?1000h" in settled(terminal)) is taken


def test_ascii_sends_ascii(live: Path, opened: list[Terminal]) -> None:
    opened.append(terminal := Terminal(COMMAND, "tui", str(live), "--ascii"))
    sent = settled(terminal)
    for key in (b"f", b"\r", b"u", b"?"):
        terminal.write(key)
        sent += terminal.read(0.7)
    assert sent.isascii()
    assert b"+ OK" in sent


PICTURE = """
import os, sys
from pathlib import Path
from PIL import Image
from fxwatch.tui.picture import show
Image.new("RGB", (40, 20)).save(sys.argv[1])
print("shown" if show(Path(sys.argv[1]), {"TERM": sys.argv[2], "TMUX": sys.argv[3]}) else "no pictures")
"""
DEVICE_ATTRIBUTES = b"\x1b[c"


@pytest.mark.parametrize(
    ("name", "multiplexer", "answer", "drawn"),
    [
        ("xterm-kitty", "", None, b"\x1b_G"),
        ("xterm-256color", "", b"\x1b[?62;4;22c", b"\x1bP"),  # sixels
        ("xterm-kitty", "tmux,1,0", b"\x1b[?1;2;4c", b"\x1bP"),  # tmux that knows sixels
    ],
)
def test_a_picture_is_drawn_until_enter(
    tmp_path: Path, opened: list[Terminal], name: str, multiplexer: str, answer: bytes | None, drawn: bytes
) -> None:
    opened.append(terminal := Terminal(PICTURE, str(tmp_path / "a.png"), name, multiplexer))
    if answer is not None:
        assert terminal.read(15, lambda sent: DEVICE_ATTRIBUTES in sent)
        terminal.write(answer)
    sent = terminal.read(15, lambda sent: b"Enter goes back" in sent)
    assert drawn in sent
    assert not terminal.ended(0.1)
    terminal.write(b"\n")
    assert b"shown" in terminal.read(5, lambda sent: b"shown" in sent)


@pytest.mark.parametrize("answer", [b"\x1b[?1;2c", None])
def test_a_terminal_that_takes_no_pictures_is_not_drawn_to(
    tmp_path: Path, opened: list[Terminal], answer: bytes | None
) -> None:
    opened.append(terminal := Terminal(PICTURE, str(tmp_path / "a.png"), "xterm-256color", ""))
    terminal.read(15, lambda sent: DEVICE_ATTRIBUTES in sent)
    if answer is not None:
        terminal.write(answer)
    assert b"no pictures" in terminal.read(5, lambda sent: b"no pictures" in sent)


def test_where_no_picture_can_be_drawn_its_path_is_copied(live: Path, opened: list[Terminal]) -> None:
    Store.of(live, None).run("default").png.touch()
    opened.append(terminal := Terminal(MONITOR, str(live)))
    settled(terminal)
    terminal.write(b"o")
    terminal.read(5, lambda sent: DEVICE_ATTRIBUTES in sent)
    terminal.write(b"\x1b[?1;2c")
    assert b"\x1b]52;c;" in terminal.read(5, lambda sent: b"\x1b]52;c;" in sent)
    terminal.read(1)
    terminal.write(b"o")  # it is not asked again
    again = terminal.read(3, lambda sent: b"\x1b]52;c;" in sent)
    assert b"\x1b]52;c;" in again
    assert DEVICE_ATTRIBUTES not in again


def test_esc_is_answered_at_once_and_an_arrow_in_pieces_is_still_an_arrow(terminal: Terminal) -> None:
    terminal.write(b"\x1b")
    time.sleep(0.005)
    terminal.write(b"[D")
    assert b"held" in terminal.read(3, lambda sent: b"held" in sent)
    terminal.write(b"w")
    terminal.read(1)
    waits = []
    for _ in range(3):
        terminal.write(b"\x1b")
        began = time.perf_counter()
        assert terminal.read(1, bool)
        waits.append(time.perf_counter() - began)
        terminal.read(0.5)
        terminal.write(b"w")
        terminal.read(0.5)
    assert min(waits) < 0.1  # it was 0.1 and more
