"""The daemon under systemd: what it tells the service manager, and the unit that it is started by."""

import itertools
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from fxwatch.daemon.notify import Notify
from fxwatch.watch import Sighting
from fxwatch.watch.lookout import Lookout
from tests.daemon.harness import Life
from tests.machine import program
from tests.project import Project, command, environ


def test_it_is_ready_after_its_first_look_and_then_says_that_it_lives(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.states()
    project.checkpoint()
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(60)
    heard: list[str] = []
    daemon = subprocess.Popen(
        command("daemon"),
        cwd=project.folder,
        env=environ(NOTIFY_SOCKET=str(tmp_path / "notify")),
        stderr=subprocess.PIPE,
    )
    try:
        while not any("1 analysed, 0 waiting" in one for one in heard):
            heard.append(manager.recv(4096).decode())
        daemon.send_signal(signal.SIGTERM)
        while heard[-1] != "STOPPING=1":
            heard.append(manager.recv(4096).decode())
    finally:
        daemon.kill()
        daemon.communicate()
        manager.close()
    first = next(one for one in heard if "READY=1" in one)
    assert first.splitlines()[1].startswith("STATUS=watching; 0 analysed, ")
    assert all("WATCHDOG=1" in one for one in heard[:-1])
    assert sum("READY=1" in one for one in heard) < len(heard)  # what is said already is not said again


def test_it_is_not_ready_while_its_first_look_has_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(60)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    life = Life(tmp_path / "outputs")
    life.start()
    daemon, look, looks = life._daemon, Lookout.look, itertools.count()
    assert daemon is not None

    def late(self: Lookout, patience: float) -> list[Sighting] | None:
        daemon._wake.set()
        if (number := next(looks)) == 5:
            daemon.stop()
        return None if number < 3 else look(self, patience)

    monkeypatch.setattr(Lookout, "look", late)
    daemon.run()
    life.kill()
    heard = [manager.recv(4096).decode() for _ in range(4)]
    manager.close()
    assert ["READY=1" in one for one in heard] == [False, False, False, True]
    assert "has not answered since" in heard[0]
    assert all("WATCHDOG=1" in one for one in heard)


def test_a_manager_that_cannot_be_reached_or_is_abstract_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    Notify().alive("watching", ready=True)
    monkeypatch.delenv("NOTIFY_SOCKET")
    Notify().stopping()
    name = f"fxwatch-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        Notify().alive("one\nSTATUS=two", ready=True)
        assert manager.recv(4096).decode().splitlines() == ["READY=1", "STATUS=one STATUS=two", "WATCHDOG=1"]


@pytest.mark.parametrize("name", ["outputs", 'of "mine" 100% \\ yours'])
def test_the_unit_is_one_that_systemd_understands_and_calls_safe(tmp_path: Path, name: str) -> None:
    analyze = program("systemd-analyze")
    project = Project(tmp_path)
    (tmp_path / name).mkdir(exist_ok=True)
    printed = project.run("config", "unit", name)
    unit = tmp_path / "fxwatch.service"
    unit.write_text(printed.stdout)
    verified = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    rating = [analyze, "security", "--offline=true", "--threshold=25", "--no-pager", str(unit)]
    assert subprocess.run(rating, capture_output=True, text=True, check=False).returncode == 0
    for line in ("Type=notify", "KillMode=mixed", "WatchdogSec=120", "Nice=19", "RestrictAddressFamilies=AF_UNIX\n"):
        assert line in printed.stdout
    assert f"has to be there before: type `fxwatch daemon {tmp_path / name}" in printed.stderr.replace("\\\\", "\\")


def test_the_unit_lets_results_out_where_they_are_to_be_sent(tmp_path: Path) -> None:
    project = Project(tmp_path, "[wandb]\nenabled = true\n[store]\ndir = 'results'\n")
    printed = project.run("config", "unit").stdout
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n" in printed
    assert f'ReadWritePaths="{tmp_path / "results"}"\n' in printed
    assert f'"--config" "{tmp_path / "config.toml"}"\n' in printed
