"""A daemon that is killed, or whose disk is full, at every write; and one that is told to end."""

import errno
import gc
import hashlib
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest

from fxwatch.records.ledger import LedgerLine
from fxwatch.store.ledger import Ledger
from fxwatch.store.lines import read_lines
from fxwatch.store.read import read_history
from fxwatch.store.write import RunWriter
from fxwatch.watch import SETTLE_OVER_A_NETWORK
from fxwatch.watch.watcher import SCAN_POLLING
from tests.daemon.faults import Killed
from tests.daemon.harness import Life, WorkerKilled, whole


def trained(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and "fxwatch" not in path.relative_to(root).parts
    }


def write(life: Life, name: str, content: bytes) -> None:
    (life.root / name).parent.mkdir(exist_ok=True)
    (life.root / name).write_bytes(content)
    life.source.tell(name, closed=True)


def explain_one(life: Life) -> None:
    """A run with a dump and its first checkpoint, explained."""
    write(life, "exp/states.safetensors", whole(100))
    write(life, "exp/model_1.safetensors", whole(1))
    life.go(5)


def a_life(life: Life) -> None:
    """All that usually happens: a dump, a checkpoint, one that is overwritten, a newer dump, an end, another daemon;
    one that is overwritten when it was analysed, and nobody knows of that yet; and one that never becomes whole.
    """
    write(life, "exp/states.safetensors", whole(100))
    write(life, "exp/model_1.safetensors", whole(1))
    life.go(3)
    write(life, "exp/latest.safetensors", whole(2))
    life.go(3)
    write(life, "exp/latest.safetensors", whole(3))
    write(life, "exp/states.safetensors", whole(101))
    life.go(6)
    life.stop()
    write(life, "exp/model_4.safetensors", whole(4))
    life.slow = True
    life.go(4)
    life.work()
    write(life, "exp/model_4.safetensors", whole(5))
    write(life, "exp/model_6.safetensors", whole(6))  # the newest is looked at again anyhow
    life.go(0.5)
    life.slow = False
    life.go(6)
    write(life, "exp/cut.safetensors", whole(7)[:50])
    life.go(3)
    life.sleep(600)
    life.go(6)


def calls_of_a_life(root: Path) -> int:
    life = Life(root)
    a_life(life)
    life.stop()
    life.check()
    return life.faults.calls


def lives_with_a_kill(folder: Path, when: str, points: Iterable[int]) -> None:
    for point in points:
        life = Life(folder / f"{when}-{point}")
        life.faults.again(point, when)
        a_life(life)
        life.go(40)
        life.faults.again()
        life.settle()
        before = trained(life.root)
        life.check()
        assert len(read_history(life.store.run("exp"))) >= 3
        life.go(40)
        assert trained(life.root) == before
        life.stop()


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    return calls_of_a_life(tmp_path_factory.mktemp("counted") / "outputs")


@pytest.mark.parametrize("every", [25, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("when", ["before", "torn", "after", "full"])
def test_killed_at_any_write_or_with_a_full_disk_from_it_on_it_loses_and_doubles_nothing(
    tmp_path: Path, calls: int, when: str, every: int
) -> None:
    assert calls > 80
    first = 1 + {"before": 0, "torn": 8, "after": 16, "full": 20}[when] % every
    lives_with_a_kill(tmp_path, when, range(first, calls + 1, every))


@pytest.mark.parametrize("room", [0, 100, 5000, 20_000])
def test_a_full_disk_pauses_it_and_room_heals_it(tmp_path: Path, room: int) -> None:
    life = Life(tmp_path / "outputs")
    explain_one(life)
    before = {path: path.read_bytes() for path in life.store.root.rglob("*") if path.is_file()}
    life.faults.room = room
    for number in range(2, 6):
        write(life, f"exp/model_{number}.safetensors", whole(number))
    life.go(60)
    if room < 20_000:
        assert any("cannot be written" in text for text in life.narrator.said)
    anew = {life.store.status, life.store.lock, life.store.run("exp").png}  # replaced whole
    for path, content in before.items():
        now = path.read_bytes()
        growing = path.suffix in {".jsonl", ".rows", ".details"}
        assert now.startswith(content) if growing else now == content or (now and path in anew), path
    life.faults.room = None
    life.go(60)
    life.check()
    assert len(read_history(life.store.run("exp"))) == 5
    assert life.status().last_trouble is None
    life.stop()


def test_what_could_not_begin_for_a_full_disk_begins_when_there_is_room(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    write(life, "states.safetensors", whole(100))
    life.go(5)
    note = Ledger.note

    def full(self: Ledger, path: str, state: str, *more: Any, **others: Any) -> None:
        if state == "running":
            raise OSError(errno.ENOSPC, "No space left on device")
        note(self, path, state, *more, **others)  # type: ignore[arg-type]

    write(life, "model_1.safetensors", whole(1))
    with mock.patch.object(Ledger, "note", full):
        life.go(20)
    assert life.ledger()["model_1.safetensors"].state == "ready"
    life.go(20)
    life.check()
    life.stop()


def test_a_run_whose_folder_has_no_place_among_the_results_costs_itself_alone(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    commit = RunWriter.commit

    def too_long(self: RunWriter, *analysis: Any) -> None:
        if self.run.name == "deep":
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        commit(self, *analysis)

    with mock.patch.object(RunWriter, "commit", too_long):
        for run in ("deep", "exp"):
            write(life, f"{run}/states.safetensors", whole(100))
            write(life, f"{run}/model_1.safetensors", whole(1))
        life.go(20)
    found = {path: (line.state, line.reason) for path, line in life.ledger().items()}
    assert found["deep/model_1.safetensors"] == ("failed", "no place for its results: File name too long")
    assert found["exp/model_1.safetensors"] == ("done", "")
    assert life.status().last_trouble is None
    life.stop()


def test_a_daemon_that_cannot_begin_leaves_no_file_open(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    explain_one(life)
    life.kill()
    life.store.run("exp").history.unlink()
    gc.collect()
    before = psutil.Process().num_fds()
    for _ in range(5):
        life.faults.room = 0  # the history, which is to be made anew, does not fit
        with pytest.raises(OSError, match="No space left"):
            life.start()
        life.kill()
    gc.collect()
    assert psutil.Process().num_fds() == before
    life.faults.room = None
    life.go(20)
    life.check()
    life.stop()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    if os.getuid() != 0:
        pytest.skip("only root may mount a small file system; the seam above shows the same")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, left: int) -> None:
    """Write until so many bytes are left."""
    with (place / "filler").open("wb") as file:
        free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
        file.write(bytes(max(0, free - left)))


@pytest.mark.parametrize("left", [0, 1_000_000])
def test_a_file_system_that_is_too_small_pauses_it_and_room_heals_it(small: Path, tmp_path: Path, left: int) -> None:
    life = Life(tmp_path / "outputs", store=small / "store")
    explain_one(life)
    results = {path: path.read_bytes() for path in small.rglob("analysis.json")}
    fill(small, left)
    for number in range(2, 5):
        write(life, f"exp/model_{number}.safetensors", whole(number))
    life.go(60)
    assert {path: path.read_bytes() for path in small.rglob("analysis.json")} == results
    assert any("MB left; analyses wait" in text or "cannot be written" in text for text in life.narrator.said)
    if left:
        assert "left; analyses wait until there is more" in (life.status().last_trouble or "")
    life.stop()  # and one that begins while it is full
    life.go(10)
    (small / "filler").unlink()
    life.go(60)
    life.check()
    assert len(read_history(life.store.run("exp"))) == 4
    assert life.status().last_trouble is None
    life.stop()


def test_what_an_end_interrupts_is_noted_and_made_by_the_next(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    write(life, "states.safetensors", whole(100))
    write(life, "model_1.safetensors", whole(1))
    life.slow = True
    life.go(5)
    assert life.ledger()["model_1.safetensors"].state == "running"
    life.stop(patient=False)
    line = life.ledger()["model_1.safetensors"]
    assert (line.state, line.reason) == ("ready", "interrupted; explained at the next start")
    assert life.status().state == "stopped"
    life.slow = False
    life.go(5)
    assert life.ledger()["model_1.safetensors"].state == "done"
    life.stop()


def test_an_end_waits_for_an_analysis_that_is_soon_done(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    write(life, "states.safetensors", whole(100))
    write(life, "model_1.safetensors", whole(1))
    life.slow = True
    life.go(5)
    assert life.ledger()["model_1.safetensors"].state == "running"
    done = threading.Timer(0.3, life.explainer.finish)
    done.start()
    life.stop_as_in_earnest()
    done.join()
    assert life.ledger()["model_1.safetensors"].state == "done"
    assert len(read_history(life.store.run("default"))) == 1
    assert life.status().state == "stopped"


def test_what_is_written_to_while_it_is_read_settles_anew_and_what_is_removed_is_no_failure(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    write(life, "states.safetensors", whole(100))
    life.go(3)
    write(life, "model_1.safetensors", whole(1))
    life.meanwhile = lambda path: path.write_bytes(whole(2))
    life.go(20)
    states = [line.state for line in read_lines(life.store.ledger, LedgerLine) if line.path == "model_1.safetensors"]
    assert states == ["seen", "ready", "running", "settling", "seen", "ready", "running", "done"]
    write(life, "model_3.safetensors", whole(3))
    life.meanwhile = Path.unlink
    life.go(20)
    assert life.ledger()["model_3.safetensors"].state == "vanished"
    assert not any("model_3" in text for text in life.narrator.said)
    life.check()
    assert life.analysed() == {hashlib.sha256(whole(number)).hexdigest() for number in (2, 100)}
    life.stop()


def test_what_is_too_much_is_skipped_counted_and_explained_when_nothing_waits(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    write(life, "states.safetensors", whole(100))
    life.go(3)
    life.slow = True
    for number in range(70):
        write(life, f"model_{number}.safetensors", whole(number))
    life.go(10)
    status = life.status()
    assert (len(status.running), status.waiting, status.backlog) == (1, 63, 6)
    aside = [line for line in life.ledger().values() if line.state == "skipped"]
    assert len(aside) == status.files["skipped"] == 6
    assert {line.reason.split(":")[0] for line in aside} == {"backlog"}
    life.settle()
    life.check()
    assert len(read_history(life.store.run("default"))) == 70
    assert life.status().backlog == 0
    life.stop()


def test_what_is_gone_is_forgotten_and_explained_once_when_it_comes_back(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    explain_one(life)
    (life.root / "exp").rename(tmp_path / "away")
    life.go(30)
    assert life.status().files == {"done": 1, "vanished": 1}
    life.kill()
    life.go(30)
    assert life.status().files == {"done": 1, "vanished": 1}
    (tmp_path / "away").rename(life.root / "exp")
    life.go(30)
    assert life.status().files == {"done": 2, "vanished": 1, "ready": 1}
    assert life.status().runs["exp"].analyses == 1
    life.check()


def test_what_crashed_its_workers_stays_quarantined_though_it_goes_and_comes_back(tmp_path: Path) -> None:
    crashes = 0

    def crash(_: Path) -> None:
        nonlocal crashes
        crashes, life.meanwhile = crashes + 1, crash
        raise WorkerKilled

    life = Life(tmp_path / "outputs")
    life.meanwhile = crash
    explain_one(life)
    life.go(30)
    assert (crashes, life.status().files["quarantined"]) == (2, 1)
    for kill in (False, True):
        (life.root / "exp").rename(tmp_path / "away")
        life.go(30)
        if kill:
            life.kill()
            life.go(30)
        (tmp_path / "away").rename(life.root / "exp")
        life.go(30)
        assert (crashes, life.status().files["quarantined"]) == (2, 1)
    (life.root / "exp/model_1.safetensors").touch()
    life.go(30)
    assert crashes == 4


def test_of_two_crashes_in_a_row_the_checkpoint_is_to_blame_and_no_newer_dump_wakes_it(tmp_path: Path) -> None:
    crashes = 0

    def crash(_: Path) -> None:
        nonlocal crashes
        crashes += 1
        raise WorkerKilled

    life = Life(tmp_path / "outputs")
    for dump in range(3):
        life.meanwhile = crash
        write(life, "exp/states.safetensors", whole(100 + dump))
        write(life, "exp/model_1.safetensors", whole(1)) if dump == 0 else None
        life.go(30)
    assert (crashes, life.status().files, life.status().runs["exp"].analyses) == (3, {"ready": 1, "done": 1}, 3)

    def crash_always(path: Path) -> None:
        life.meanwhile = crash_always
        crash(path)

    life.meanwhile = crash_always
    for dump in range(3):
        write(life, "exp/states.safetensors", whole(200 + dump))
        life.go(30)
        assert (crashes, life.status().files) == (5, {"ready": 1, "quarantined": 1})


def test_a_crash_of_which_a_full_disk_let_nothing_be_noted_counts_once(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    life.slow = True
    explain_one(life)
    life.meanwhile = crash_once
    life.work()
    life.faults.room = 0
    life.slow = False
    life.go(20)
    life.faults.room = None
    life.go(20)
    assert life.status().files == {"ready": 1, "done": 1}


def crash_once(_: Path) -> None:
    raise WorkerKilled


def test_what_goes_while_it_is_analysed_has_the_outcome_of_its_analysis(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    life.slow = True
    explain_one(life)
    life.work()
    (life.root / "exp/model_1.safetensors").unlink()
    life.go(30)
    assert life.status().files == {"ready": 1, "vanished": 1}
    life.slow = False
    life.go(30)
    assert life.status().files == {"ready": 1, "done": 1}
    life.kill()
    life.go(30)
    assert life.status().files == {"ready": 1, "done": 1}


def test_over_a_network_nothing_is_told_so_it_looks_often_and_files_settle_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxwatch.daemon.service.network", lambda _: "nfs4")
    life = Life(tmp_path / "outputs")
    write(life, "states.safetensors", whole(100))
    life.go(15)
    assert life.status().mode == "polling"
    assert "nfs4 tells nothing of what other machines write, so it is looked at often" in (
        life.status().last_trouble or ""
    )
    (life.root / "model_1.safetensors").write_bytes(whole(1))
    life.go(SCAN_POLLING + 0.1)
    assert life.ledger()["model_1.safetensors"].state == "seen"
    life.go(SETTLE_OVER_A_NETWORK - SCAN_POLLING)
    assert life.ledger()["model_1.safetensors"].state == "seen"
    life.go(5)
    assert life.ledger()["model_1.safetensors"].state == "done"
    life.stop()


def test_a_kill_is_seen_by_the_test(tmp_path: Path) -> None:
    life = Life(tmp_path / "outputs")
    life.faults.again(1)
    with pytest.raises(Killed):
        life.start()
