"""Whatever happens to a watched folder and its daemon, in any order: every complete content has exactly one outcome."""

import hashlib
import itertools
import os
import shutil
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from fxwatch.records.history import in_order
from fxwatch.records.ledger import LedgerLine
from fxwatch.store.lines import read_lines
from fxwatch.store.read import read_history
from fxwatch.tui.view.heartbeat import life
from tests.daemon.harness import Life, WorkerKilled, whole

RUNS = ("", "exp/", "exp/deep/")
NAMES = tuple(f"{run}{name}.safetensors" for run in RUNS for name in ("latest", "model_1", "model_2", "checkpoint-3"))
names = some.sampled_from(NAMES)
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Anything(RuleBasedStateMachine):
    """A trainer, an operating system and a user with bad habits. Contents have numbers, and come back at times."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp())
        self.life = Life(self.base / "outputs", lying=True)
        self.travel = time_machine.travel(TODAY, tick=False)
        self.short = mock.patch("fxwatch.store.ledger.COMPACT_FROM", 4000)
        self.short.start()
        self.wall = self.life.wall = self.travel.start()
        self.crashed = False
        self.completed: dict[str, list[str]] = {}
        self.number = itertools.count(1)
        self.rotating = itertools.count(1)
        self.contents: set[str] = set()
        self.put("states.safetensors", self.content(0))

    def content(self, number: int) -> bytes:
        """The first and the last bytes tell of its number."""
        made = whole(number * 0x10001)
        self.contents.add(hashlib.sha256(made).hexdigest())
        return made

    def put(self, name: str, content: bytes, *, closed: bool = True) -> None:
        path = self.life.root / name
        if path.is_dir() or path.is_symlink():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(time.time_ns(), time.time_ns()))
        self.life.source.tell(name, closed=closed)

    def there(self) -> bool:
        return self.life.root.is_dir()

    @rule(name=names, number=some.integers(1, 6))
    @precondition(there)
    def write(self, name: str, number: int) -> None:
        self.put(name, self.content(number))

    @rule(name=names, part=some.floats(0, 0.99))
    @precondition(there)
    def write_a_part(self, name: str, part: float) -> None:
        content = self.content(next(self.number))
        self.put(name, content[: int(part * len(content))], closed=False)

    @rule(name=names)
    @precondition(there)
    def write_and_rename(self, name: str) -> None:
        path = self.life.root / name
        self.put(f"{name}.tmp", self.content(next(self.number)))
        (self.life.root / f"{name}.tmp").rename(path)
        self.life.source.tell(name, closed=True)

    @rule(name=names, other=names)
    @precondition(there)
    def rename(self, name: str, other: str) -> None:
        if (self.life.root / name).is_file() and (self.life.root / other).parent.is_dir():
            (self.life.root / name).rename(self.life.root / other)
            self.life.source.tell(name, closed=False)
            self.life.source.tell(other, closed=True)

    @rule(name=names)
    @precondition(there)
    def overwrite_in_place_and_restore_the_time(self, name: str) -> None:
        path = self.life.root / name
        if path.is_file() and not path.is_symlink():
            self.write_over(path)

    def write_over(self, path: Path) -> None:
        """In place, and with the times that it had."""
        before = path.stat()
        content = self.content(next(self.number))[: before.st_size]
        with path.open("r+b") as file:
            file.write(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule()
    def overwrite_what_is_read_next(self) -> None:
        self.life.meanwhile = self.write_over

    @rule()
    @precondition(lambda self: not self.crashed)
    def the_next_worker_crashes(self) -> None:
        self.life.meanwhile = self.crash

    def crash(self, _: Path) -> None:
        """Once: of two the checkpoint is to blame."""
        self.crashed = True
        raise WorkerKilled

    @rule(name=names, size=some.integers(0, 40))
    @precondition(there)
    def truncate(self, name: str, size: int) -> None:
        path = self.life.root / name
        if path.is_file() and not path.is_symlink() and size < path.stat().st_size:
            os.truncate(path, size)

    @rule(name=names)
    @precondition(there)
    def delete(self, name: str) -> None:
        (self.life.root / name).unlink(missing_ok=True)
        self.life.source.tell(name, closed=False)

    @rule(run=some.sampled_from(RUNS[1:]))
    @precondition(there)
    def move_a_folder_away_or_back(self, run: str) -> None:
        folder, away = self.life.root / run, self.base / run.replace("/", "-")
        if away.exists() and not folder.exists() and folder.parent.is_dir():
            away.rename(folder)
        elif folder.is_dir() and not away.exists():
            folder.rename(away)

    @rule(name=names, other=names, link=some.sampled_from(["symbolic", "hard"]))
    @precondition(there)
    def link(self, name: str, other: str, link: str) -> None:
        path, target = self.life.root / name, self.life.root / other
        if not path.exists() and not path.is_symlink() and path.parent.is_dir() and target.is_file():
            path.symlink_to(target) if link == "symbolic" else os.link(target.resolve(), path)

    @rule(keep=some.integers(1, 2))
    @precondition(there)
    def rotate(self, keep: int) -> None:
        number = next(self.rotating)
        self.put(f"rotating/model_{number}.safetensors", self.content(1000 + number))
        kept = sorted((self.life.root / "rotating").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        for old in kept[:-keep]:
            old.unlink()

    @rule(name=names, mode=some.sampled_from([0o600, 0o644]))
    @precondition(there)
    def chmod(self, name: str, mode: int) -> None:
        if (self.life.root / name).is_file():
            (self.life.root / name).chmod(mode)

    @rule(number=some.integers(200, 203))
    @precondition(there)
    def dump_states(self, number: int) -> None:
        self.put("states.safetensors", self.content(number))

    @rule()
    @precondition(there)
    def lose_the_root(self) -> None:
        self.life.root.rename(self.base / "away")

    @rule(how=some.sampled_from(["back", "anew"]))
    @precondition(lambda self: not self.there())
    def return_the_root(self, how: str) -> None:
        if how == "back":
            (self.base / "away").rename(self.life.root)
        else:
            shutil.rmtree(self.base / "away")
            self.life.root.mkdir()
            self.completed.clear()
            self.put("states.safetensors", self.content(0))

    @rule()
    @precondition(there)
    def events_overflow(self) -> None:
        self.life.source.paths.clear()
        self.life.source.lost = "a full queue"

    @rule()
    def a_thread_ends(self) -> None:
        self.life.source.why_broken = "a thread has ended"

    @rule(
        call=some.integers(1, 40),
        when=some.sampled_from(["before", "torn", "after", "full"]),
        seconds=some.sampled_from([0.0, 3.0]),
    )
    def kill_it_at_a_write(self, call: int, when: str, seconds: float) -> None:
        self.life.faults.again(call, when)
        self.life.go(seconds)

    @rule()
    def kill_it(self) -> None:
        self.life.kill()

    @rule(patient=some.booleans())
    def end_it(self, *, patient: bool) -> None:
        self.life.stop(patient=patient)

    @rule(slow=some.booleans())
    def let_jobs_take_long(self, *, slow: bool) -> None:
        self.life.slow = slow

    @rule()
    def a_job_is_all_but_done(self) -> None:
        self.life.work()

    @rule(room=some.one_of(some.integers(0, 3000), some.integers(3000, 30_000)))
    def fill_the_disk(self, room: int) -> None:
        self.life.faults.room = room

    @rule(seconds=some.sampled_from([0.1, 0.5, 2.0, 11.0, 40.0, 700.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.life.go(seconds)

    @rule(days=some.sampled_from([-7300, -365, -1, -1 / 24, 0, 1 / 24, 1, 365, 7300]))
    def the_wall_clock_jumps(self, days: float) -> None:
        self.wall.move_to(TODAY + timedelta(days=days))

    @rule()
    @precondition(there)
    def all_is_quiet(self) -> None:
        self.life.faults.again()
        self.life.meanwhile = None
        self.crashed = False
        before = self.trained()
        self.life.settle()
        assert self.trained() == before
        self.life.check()
        assert self.life.analysed() <= self.contents, "what was analysed was never there as a whole"
        self.all_is_told_rightly()

    def all_is_told_rightly(self) -> None:
        """Whatever the wall clock says and said."""
        status = self.life.status()
        assert life(status, time.time()).alive, f"the heartbeat of {status.at} tells of no daemon that lives"
        for run in self.life.store.runs():
            lines = read_history(run)
            before, ids = self.completed.get(run.name, []), [line.id for line in lines]
            assert ids[: len(before)] == before, "the history has another order"
            self.completed[run.name] = ids
            told = status.runs.get(run.name)
            newest = (len(ids), in_order(lines)[-1].id) if lines else None  # killed before its first analysis
            assert newest == (told and (told.analyses, told.latest)), "status tells of another history"
        numbers = [line.seq for line in read_lines(self.life.store.ledger, LedgerLine)]
        assert numbers == sorted(set(numbers)), "the ledger has another order"
        self.what_is_gone_is_counted_and_forgotten()

    def what_is_gone_is_counted_and_forgotten(self) -> None:
        known, counts = dict[str, str](), Counter[str]()
        for line in read_lines(self.life.store.ledger, LedgerLine):
            if line.path in known:
                counts[known.pop(line.path)] -= 1
            counts[line.state] += line.gone or 1
            if not line.gone:
                known[line.path] = line.state
        assert self.life.status().files == +counts, "status counts other files than the ledger"
        kept = {path for path, state in known.items() if state != "quarantined"}
        assert all((self.life.root / path).exists() for path in kept), "what is gone is not forgotten"

    def trained(self) -> dict[str, tuple[int, int, bytes]]:
        """All that is not ours, as it is."""
        return {
            str(path): (path.lstat().st_mtime_ns, path.lstat().st_mode, path.read_bytes() if path.exists() else b"")
            for path in self.life.root.rglob("*")
            if not path.is_dir() and self.life.store.root not in path.parents
        }

    def teardown(self) -> None:
        try:
            if self.there():
                self.all_is_quiet()
        finally:
            self.life.kill()
            self.short.stop()
            self.travel.stop()
            shutil.rmtree(self.base)


PROFILE = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


def test_anything_for_a_moment() -> None:
    run_state_machine_as_test(Anything, settings=settings(PROFILE, max_examples=12, stateful_step_count=25))


@pytest.mark.soak
def test_anything_for_long() -> None:
    run_state_machine_as_test(Anything, settings=settings(PROFILE, max_examples=1500, stateful_step_count=60))
