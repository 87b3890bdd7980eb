"""When events cannot be relied on: noticed, said in words, and mended without a restart."""

import ctypes
import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import watchdog.observers.inotify_c as system
from watchdog.observers.inotify import InotifyWatchGroup

from fxwatch.watch import Hints
from fxwatch.watch.listener import FIRST_RETRY, IN_FLIGHT
from fxwatch.watch.scan import scan
from fxwatch.watch.watcher import SCAN_POLLING, SCAN_WITH_EVENTS, SETTLE
from tests.project import eventually
from tests.watch.bench import Bench, Heard, checkpoint


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Events are told by the test."""
    with listening(Bench(tmp_path, "told")) as made:
        yield made


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Bench]:
    """Events are the system's own."""
    with listening(Bench(tmp_path, "inotify")) as made:
        yield made


@contextmanager
def listening(made: Bench) -> Iterator[Bench]:
    made.after(0)
    assert made.watcher.mode == "events"
    yield made
    made.stop()


def seen(said: list[tuple[str, str]]) -> set[str]:
    return {path for path, state in said if state == "seen"}


def test_a_file_that_no_event_told_of_ends_the_trust_and_a_pause_renews_it(bench: Bench) -> None:
    for failure in range(3):
        (bench.root / f"missed-{failure}.pt").write_bytes(checkpoint())
        assert f"missed-{failure}.pt" in seen(bench.after(SCAN_WITH_EVENTS + 1))
        bench.after(SCAN_WITH_EVENTS)
        assert bench.watcher.mode == "polling"
        assert f"1 files came without one, as missed-{failure}.pt" in (bench.watcher.trouble or "")
        assert bench.watcher.losses == failure + 1
        assert bench.told.starts == failure + 1
        (bench.root / f"polled-{failure}.pt").write_bytes(checkpoint())
        assert f"polled-{failure}.pt" in seen(bench.after(SCAN_POLLING))
        bench.after(FIRST_RETRY * 2**failure + SCAN_POLLING)
        assert (bench.watcher.mode, bench.watcher.trouble) == ("events", None)


def test_a_hint_that_is_late_by_a_moment_ends_no_trust(bench: Bench) -> None:
    (bench.root / "a.pt").write_bytes(checkpoint())
    bench.clock.now += SCAN_WITH_EVENTS
    bench.watcher.look()  # the scan is quicker than the event
    bench.clock.now += IN_FLIGHT / 2
    bench.told.tell("a.pt", closed=True)
    bench.after(3 * SCAN_WITH_EVENTS)
    assert bench.watcher.mode == "events"


def test_a_folder_that_is_filled_at_once_ends_no_trust(bench: Bench) -> None:
    (bench.root / "deep").mkdir()
    (bench.root / "deep" / "a.pt").write_bytes(checkpoint())
    bench.told.folders.add("deep")
    assert "deep/a.pt" in seen(bench.after(1))
    bench.after(3 * SCAN_WITH_EVENTS)
    assert bench.watcher.mode == "events"


def test_a_change_without_an_event_before_it_is_closed_ends_no_trust(bench: Bench) -> None:
    bench.write("a.pt", checkpoint())
    bench.after(20)
    (bench.root / "a.pt").write_bytes(checkpoint(2))  # its writer has it open still
    assert ("a.pt", "ready") in bench.after(3 * SCAN_WITH_EVENTS)
    assert bench.watcher.mode == "events"


@pytest.mark.parametrize("count", [10_000, pytest.param(30_000, marks=pytest.mark.soak)])
def test_of_a_burst_that_overflows_the_systems_queue_no_file_is_missed(
    heard: Bench, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    written, real = threading.Event(), InotifyWatchGroup.on_event

    def slow(self: InotifyWatchGroup, event: system.InotifyEvent) -> None:
        written.wait(60)
        real(self, event)

    monkeypatch.setattr(InotifyWatchGroup, "on_event", slow)
    for number in range(count):
        (heard.root / f"{number}.pt").touch()
    written.set()
    assert isinstance(heard.source, Heard)
    eventually(heard.source.news_of_loss, 30)
    assert len(seen(heard.after(0))) == count
    assert "file events were lost (Inotify queue overflowed" in (heard.watcher.trouble or "")
    assert heard.watcher.losses == 1
    assert seen(heard.after(SCAN_WITH_EVENTS + 1)) == set()
    assert (heard.watcher.mode, heard.watcher.trouble) == ("events", None)
    heard.write("after.pt", checkpoint())
    assert "after.pt" in seen(heard.after(0))  # by its event: the watches are there again


@pytest.mark.parametrize("thread", ["InotifyEmitter", "InotifyObserver", "InotifyFD"])
def test_a_thread_that_ends_is_noticed_and_begun_anew(heard: Bench, thread: str) -> None:
    mine = [one for one in threading.enumerate() if type(one).__name__ == thread]
    for one in mine:
        one.stop()  # type: ignore[attr-defined]
        one.join(5)
    heard.after(0)
    assert heard.watcher.mode == "polling"
    assert "a thread that listens for them has ended" in (heard.watcher.trouble or "")
    heard.after(FIRST_RETRY + SCAN_POLLING)
    assert (heard.watcher.mode, heard.watcher.trouble) == ("events", None)
    heard.write("a.pt", checkpoint())
    assert "a.pt" in seen(heard.after(0))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_handler_that_raises_is_noticed(heard: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Hints, event: object) -> None:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(Hints, "on_any_event", fail)
        (heard.root / "a.pt").write_bytes(checkpoint())
        assert heard.source is not None
        eventually(heard.source.broken)
        assert "a.pt" in seen(heard.after(SCAN_POLLING))
        assert "has ended" in (heard.watcher.trouble or "")
    heard.after(FIRST_RETRY + SCAN_POLLING)
    assert (heard.watcher.mode, heard.watcher.trouble) == ("events", None)


def test_where_the_limit_of_watches_is_reached_nothing_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = system.inotify_add_watch, [8]

    def limited(*arguments: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            ctypes.set_errno(errno.ENOSPC)
            return -1
        return int(real(*arguments))

    for number in range(20):
        (tmp_path / f"run{number}").mkdir()
    monkeypatch.setattr(system, "inotify_add_watch", limited)
    bench = Bench(tmp_path, "inotify")
    bench.after(0)
    for number in range(20):
        bench.write(f"run{number}/a.pt", checkpoint())
    said = seen(bench.after(SCAN_WITH_EVENTS + 2 * SETTLE))
    assert len(said) == 20
    bench.after(SCAN_WITH_EVENTS)
    assert bench.watcher.mode == "polling"
    assert "files came without one, as run" in (bench.watcher.trouble or "")
    left[0] = 10_000  # the limit was raised
    bench.after(FIRST_RETRY + SCAN_POLLING)
    assert (bench.watcher.mode, bench.watcher.trouble) == ("events", None)
    bench.stop()


@pytest.mark.parametrize(
    ("call", "number", "words"),
    [
        ("inotify_add_watch", errno.ENOSPC, "fs.inotify.max_user_watches"),
        ("inotify_init", errno.EMFILE, "fs.inotify.max_user_instances"),
    ],
)
def test_where_no_watch_can_be_set_the_limit_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, words: str
) -> None:
    def none(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    with monkeypatch.context() as patch:
        patch.setattr(system, call, none)
        bench = Bench(tmp_path, "inotify")
        assert bench.watcher.mode == "polling"
        assert words in (bench.watcher.trouble or "")
        bench.write("a.pt", checkpoint())
        assert "a.pt" in seen(bench.after(0))
        assert bench.source is not None
        handles = len(os.listdir("/proc/self/fd"))
        for _ in range(5):  # it is tried in vain, which leaves nothing behind
            assert words in (bench.source.start() or "")
        assert len(os.listdir("/proc/self/fd")) == handles
    bench.after(FIRST_RETRY + 2 * SCAN_POLLING)  # the limit was raised
    assert (bench.watcher.mode, bench.watcher.trouble) == ("events", None)
    bench.stop()


@pytest.mark.parametrize("how", ["deleted", "renamed"])
def test_a_root_that_is_replaced_is_listened_to_anew(tmp_path: Path, how: str) -> None:
    root = tmp_path / "outputs"
    root.mkdir()
    bench = Bench(root, "inotify")
    bench.write("a.pt", checkpoint())
    bench.after(5)
    if how == "deleted":
        shutil.rmtree(root)
    else:
        root.rename(tmp_path / "away")
    said = bench.after(SCAN_WITH_EVENTS + 1)
    assert "cannot be read" in (bench.watcher.trouble or "")
    root.mkdir()
    said += bench.after(SCAN_POLLING + 1)
    assert ("a.pt", "vanished") in said
    if how == "renamed":
        (tmp_path / "away" / "wrong.pt").write_bytes(checkpoint())  # under the old path no more
    bench.after(FIRST_RETRY + 2 * SCAN_POLLING)
    assert (bench.watcher.mode, bench.watcher.trouble) == ("events", None)
    bench.write("b.pt", checkpoint())
    assert seen(bench.after(0)) == {"b.pt"}
    bench.stop()


def test_a_file_system_that_is_gone_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.write("a.pt", checkpoint())
    bench.after(5)
    real = scan

    def unmounted(root: str, before: object) -> object:
        found = real(str(tmp_path / "empty"), {})
        found.root = (found.root[0] + 1, found.root[1])
        return found

    (tmp_path / "empty").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("fxwatch.watch.watcher.scan", unmounted)
        assert bench.after(60) == []
        assert "may not be mounted" in (bench.watcher.trouble or "")
    assert bench.after(60) == []
    assert bench.watcher.trouble is None


NOBODY = 65534


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A folder that everybody may use, by a user whom permissions hinder."""
    made = Path(tempfile.mkdtemp())
    if os.getuid() == 0:
        os.chown(made, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield made
    if os.getuid() == 0:
        os.seteuid(0)
    shutil.rmtree(made)


def test_folders_that_cannot_be_read_are_named_and_what_was_in_them_is_not_forgotten(anybodys: Path) -> None:
    bench = Bench(anybodys)
    bench.write("closed/a.pt", checkpoint())
    bench.write("b.pt", checkpoint())
    assert seen(bench.after(5)) == {"closed/a.pt", "b.pt"}
    (anybodys / "closed").chmod(0)
    assert bench.after(20) == []
    assert bench.watcher.trouble == "folders that cannot be read: closed (Permission denied)"
    (anybodys / "closed").chmod(0o755)
    anybodys.chmod(0)
    assert bench.after(20) == []
    assert "cannot be read: Permission denied" in (bench.watcher.trouble or "")
    anybodys.chmod(0o777)
    assert bench.after(20) == []
    assert bench.watcher.trouble is None


def test_a_root_that_cannot_be_read_from_the_beginning_is_said(anybodys: Path) -> None:
    anybodys.chmod(0)
    bench = Bench(anybodys, "inotify")
    assert bench.after(20) == []
    assert "cannot be read: Permission denied" in (bench.watcher.trouble or "")
    anybodys.chmod(0o777)
    bench.write("a.pt", checkpoint())
    assert ("a.pt", "ready") in bench.after(20)
    assert bench.watcher.trouble is None
    bench.stop()


def test_a_file_of_somebody_else_is_refused_and_taken_when_it_may_be_read(anybodys: Path) -> None:
    bench = Bench(anybodys)
    bench.write("a.pt", checkpoint())
    (anybodys / "a.pt").chmod(0)
    sightings = bench.sightings(5)
    assert (sightings[-1].state, sightings[-1].reason[:17]) == ("refused", "permission denied")
    assert bench.after(60) == []
    (anybodys / "a.pt").chmod(0o644)
    assert ("a.pt", "ready") in bench.after(5)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE])
def test_an_error_is_never_taken_for_an_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    bench = Bench(tmp_path)
    bench.write("run/a.pt", checkpoint())
    bench.write("run/b.pt", checkpoint()[:60])
    bench.after(5)
    real_list, real_look = os.scandir, os.lstat

    def fail(path: str, real: Callable[[str], object]) -> object:
        if "run" in Path(os.path.relpath(path, tmp_path)).parts:
            raise OSError(number, os.strerror(number))
        return real(path)

    for name, real in (("scandir", real_list), ("lstat", real_look)):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, lambda path, real=real: fail(path, real))
            assert bench.after(60) == []
            assert name == "lstat" or os.strerror(number) in (bench.watcher.trouble or "")
    assert bench.after(60) == []
    assert bench.watcher.trouble is None


def test_our_own_reading_causes_no_events(heard: Bench) -> None:
    heard.write("a.pt", checkpoint())
    heard.after(5)
    for _ in range(50):
        (heard.root / "a.pt").read_bytes()
        list(os.scandir(heard.root))
    assert heard.source is not None
    assert heard.source.take().files == {}
