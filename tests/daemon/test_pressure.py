"""Analyses wait while the machine has no room for them."""

from pathlib import Path

import pytest

from fxwatch.daemon.pressure import LONGEST_FOR_THE_PROCESSOR, Machine, Pressure, memory_of_each
from tests.daemon import harness
from tests.daemon.test_life import write
from tests.project import Project, eventually

GIB = 1 << 30


class Told:
    """A machine below a folder, as its kernel tells of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.memory(left=8 * GIB)
        for of in ("cpu", "memory"):
            self.stalls(of, 0.0)

    def memory(self, left: int, total: int = 16 * GIB) -> None:
        self._write("proc/meminfo", f"MemTotal: {total // 1024} kB\nMemAvailable: {left // 1024} kB\n")

    def stalls(self, of: str, percent: float) -> None:
        self._write(
            f"proc/pressure/{of}", f"some avg10={percent:.2f} avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00\n"
        )

    def group(self, limit: str, used: int, cache: int) -> None:
        self._write("proc/self/cgroup", "0::/a/b\n")
        self._write("sys/fs/cgroup/a/b/memory.max", f"{limit}\n")
        self._write("sys/fs/cgroup/a/b/memory.current", f"{used}\n")
        self._write("sys/fs/cgroup/a/b/memory.stat", f"anon 1\nfile {cache}\n")

    def _write(self, name: str, text: str) -> None:
        (self.home / name).parent.mkdir(parents=True, exist_ok=True)
        (self.home / name).write_text(text)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_nothing_waits_on_a_machine_with_room_or_one_that_tells_nothing(told: Told, tmp_path: Path) -> None:
    assert Pressure(90, Machine(tmp_path)).reason(0) is None
    assert Pressure(90, Machine(tmp_path / "nothing")).reason(0) is None
    assert memory_of_each(Machine(tmp_path / "nothing"), 1) is None


def test_for_memory_they_wait_as_long_as_it_lasts(told: Told, tmp_path: Path) -> None:
    pressure = Pressure(90, Machine(tmp_path))
    told.memory(left=GIB // 2)  # of 16, of which a twentieth is kept free
    assert pressure.reason(0) == pressure.reason(9999) == "analyses wait: too little memory is left beside training"
    told.memory(left=8 * GIB)
    told.stalls("memory", 11)
    assert pressure.reason(9999) == "analyses wait: programs wait for memory 11 % of the time"
    told.stalls("memory", 9)
    assert pressure.reason(9999) is None


def test_for_the_processor_they_wait_a_minute_each(told: Told, tmp_path: Path) -> None:
    pressure = Pressure(90, Machine(tmp_path))
    told.stalls("cpu", 97.4)
    waiting = "analyses wait, a minute at most: programs wait for a processor 97 % of the time"
    assert pressure.reason(100) == waiting
    assert pressure.reason(100 + LONGEST_FOR_THE_PROCESSOR - 1) == waiting
    assert pressure.reason(100 + LONGEST_FOR_THE_PROCESSOR) is None
    pressure.begun()
    assert pressure.reason(161) == waiting
    told.stalls("cpu", 89)
    assert pressure.reason(162) is None


def test_a_control_group_counts_without_its_cache(told: Told, tmp_path: Path) -> None:
    told.memory(left=10 * GIB)
    told.group(str(4 * GIB), used=3 * GIB, cache=2 * GIB)
    assert memory_of_each(Machine(tmp_path), 1) == 3 * GIB - 256 * (1 << 20)
    assert memory_of_each(Machine(tmp_path), 2) == (3 * GIB - 256 * (1 << 20)) // 2
    told.group("max", used=3 * GIB, cache=0)
    assert memory_of_each(Machine(tmp_path), 1) == 10 * GIB - int(0.05 * 16 * GIB)
    told.memory(left=0)
    assert memory_of_each(Machine(tmp_path), 1) == 512 << 20


def test_analyses_that_wait_for_memory_go_on_by_themselves(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "AT_EASE", Pressure(100, Machine(tmp_path)))
    told.stalls("memory", 11)
    life = harness.Life(tmp_path / "outputs")
    write(life, "states.safetensors", harness.whole(100))
    write(life, "model_1.safetensors", harness.whole(1))
    life.go(30)
    assert life.status().last_trouble == "analyses wait: programs wait for memory 11 % of the time"
    assert life.ledger()["model_1.safetensors"].state == "ready"
    told.stalls("memory", 0)
    life.go(10)
    assert life.status().last_trouble is None
    assert life.ledger()["model_1.safetensors"].state == "done"
    life.stop()


def test_the_daemon_says_that_it_waits_for_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a limit of nought any waiting is too much: what there is on a machine that runs these tests."""
    project = Project(tmp_path)
    monkeypatch.setattr("tests.project.environ", _with_no_patience)
    project.states()
    daemon = project.start("daemon")
    try:
        eventually(project.store.status.exists)
        project.checkpoint()
        eventually(lambda: "analyses wait, a minute at most" in project.store.status.read_text(), 30)
        assert not project.analyses()
    finally:
        daemon.terminate()
        assert "analyses wait, a minute at most: programs wait for a processor" in daemon.communicate()[1]


def _with_no_patience(**changes: str) -> dict[str, str]:
    import os

    from tests.project import ROOT

    own = {name: value for name, value in os.environ.items() if not name.startswith("FXWATCH_")}
    return {**own, "PYTHONPATH": str(ROOT), "FXWATCH_DAEMON__CPU_PRESSURE": "0", **changes}
