"""What docs/monitor.md says is so: its commands run, and its keys are the monitor's."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import monitor
from fxwatch.store.layout import Store
from fxwatch.tui.actions import ACTIONS
from fxwatch.tui.read.glance import glance
from tests.tui.examples import START, fill
from tests.tui.terminal import COMMAND, ROOT, Terminal

TEXT = (ROOT / "docs" / "monitor.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    (block,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    return [line.removeprefix("fxwatch ").split() for line in block.splitlines()]


def drawn_by(arguments: list[str]) -> bytes:
    """The first screen."""
    terminal = Terminal(COMMAND, *arguments)
    sent = terminal.read(15, lambda sent: b"PPO metrics" in sent)
    terminal.close()
    assert b"PPO metrics" in sent
    return sent


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    fill(tmp_path / "outputs", range(100, 400, 100))
    once, drawn, light = commands()
    found = subprocess.run([sys.executable, "-c", COMMAND, *once], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("Health: OK")
    assert "  feature price_velocity, branch hf, share 9.8 %" in found.stdout
    assert "Log: nobody has noted anything yet" in found.stdout
    ascii_alone, on_light = [drawn_by(arguments) for arguments in (drawn, light)]
    assert ascii_alone.isascii()
    assert b"\x1b[38;5;29m" in on_light


def test_once_says_what_is_missing(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", COMMAND, "tui", str(tmp_path), "--once"], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (4, "")
    assert "nobody has watched" in found.stderr


def test_its_keys_are_those_of_the_monitor() -> None:
    known = {key for action in ACTIONS for key in action.shown.split()}
    rows = re.findall(r"^\| ([^|]+) \|", TEXT, re.MULTILINE)[2:]
    told = [key for row in rows for key in row.split() if key != "to"]
    assert told
    assert set(told) <= known


def test_the_tree_of_the_benchmark_is_one_that_the_monitor_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "RUNS", 2)
    monkeypatch.setattr(monitor, "ANALYSES", 3)
    store = Store.of(tmp_path, None)
    monitor.build(tmp_path, store)
    _, runs = glance(store, tmp_path, START)
    assert [run.verdict for run in runs] == ["bad", "warn"]
    assert [run.news and run.news.analyses for run in runs] == [3, 3]
    assert all(run.analysis and sum(map(len, run.analysis.units.values())) == 100 for run in runs)
