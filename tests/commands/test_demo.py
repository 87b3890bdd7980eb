"""`fxwatch demo`, as a process: real training, real explanations, a clean end."""

import os
import pty
import re
import subprocess
import time
from pathlib import Path

import psutil

from fxwatch import exit_codes
from fxwatch.records.lines import COMPLETED
from fxwatch.store.layout import Store
from fxwatch.store.read import read_analysis, read_history
from tests.project import ROOT, command, environ, eventually


def programs_of(folder: Path) -> list[psutil.Process]:
    """All processes that work in a folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and any(str(folder) in word for word in process.info["cmdline"] or [])
    ]


def test_without_a_terminal_it_prints_so_many_analyses_and_ends(tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    began = time.monotonic()
    done = subprocess.run(
        command("demo", "--headless", "--analyses", "2"),
        cwd=tmp_path,
        env=environ(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == exit_codes.OK, done.stderr
    assert done.stdout.count(COMPLETED) == 2
    assert time.monotonic() - began < 150
    assert re.search(r"Health: \w+ at step \d+ of demo-1", done.stdout)
    run = Store.of(folder, None).run("demo-1")
    history = read_history(run)
    assert len(history) >= 2
    newest = read_analysis(run.analysis(history[-1].id).json)
    assert newest.checkpoint.format == "sb3"
    assert newest.dead_features.causes["hf"]["planted_unread"] == "zero_projection"
    assert newest.dead_features.causes["mf"]["planted_constant"] == "constant_input"
    assert sum(len(units) for units in newest.units.values()) >= 30
    assert len(newest.attention.layers) >= 9
    assert eventually(lambda: not programs_of(folder), 20)


def test_q_ends_the_monitor_the_daemon_and_the_trainer(tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execvpe(
            command()[0],
            command("demo", str(folder)),
            environ(TERM="xterm-256color", LINES="40", COLUMNS="120", XDG_STATE_HOME=str(tmp_path / "state")),
        )
    os.set_blocking(terminal, False)

    def read() -> bytes:
        try:
            return os.read(terminal, 1 << 16)
        except OSError:
            return b""

    seen = b""

    def analysed() -> bool:
        nonlocal seen
        seen += read()
        return (b"consensus" in seen and b"of demo-1" in seen) or (b"demo-1" in seen and b"infidelity" in seen)

    eventually(analysed, 120)
    assert len(programs_of(folder)) >= 3
    os.write(terminal, b"q")

    def ended() -> bool:
        read()
        return os.waitpid(pid, os.WNOHANG)[0] == pid

    eventually(ended, 30)
    eventually(lambda: not programs_of(folder), 20)
    assert str(folder) in (tmp_path / "state" / "fxwatch" / "monitor.json").read_text()  # how it was left


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_bytes(b"precious")
    done = subprocess.run(
        command("demo", str(tmp_path)), cwd=ROOT, env=environ(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == exit_codes.USAGE
    assert "holds other files (mine.pt); the demo needs an empty one" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pt"]
