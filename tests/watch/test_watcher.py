"""When a file is ready: by a clock that the test turns, with and without hints."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fxwatch.watch import Listener, Sighting, Watcher, run_of, runs_above
from fxwatch.watch.events import News
from fxwatch.watch.scan import RootError, scan
from fxwatch.watch.watcher import INCOMPLETE_AFTER, SCAN_POLLING, SETTLE, SETTLE_AFTER_CLOSE


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Told:
    """Hints that the test gives."""

    def __init__(self) -> None:
        self.paths: dict[str, bool] = {}
        self.folders: set[str] = set()
        self.lost: str | None = None
        self.why_broken: str | None = None
        self.starts = 0

    def start(self) -> str | None:
        self.starts += 1
        self.why_broken = None
        return None

    def stop(self) -> None:
        pass

    def broken(self) -> str | None:
        return self.why_broken

    def take(self) -> News:
        taken = News(self.paths, self.folders, self.lost)
        self.paths, self.folders, self.lost = {}, set(), None
        return taken


def checkpoint(value: float = 0.0) -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.full((8,), value)}, buffer)
    return buffer.getvalue()


class Bench:
    """A folder, a clock, and a watcher of it."""

    def __init__(self, root: Path, *, hints: bool) -> None:
        self.root, self.clock, self.told = root, Clock(), Told() if hints else None
        self.listener = Listener(self.told, None, self.clock)
        self.watcher = Watcher(str(root), self.listener, {}, self.clock)

    def write(self, name: str, content: bytes, *, closed: bool = True) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)
        if self.told is not None:
            self.told.paths[name] = closed

    def after(self, seconds: float) -> list[tuple[str, str]]:
        """What is said after so many seconds, looking as often as the watcher asks for."""
        end, said = self.clock.now + seconds, list[Sighting]()
        while True:
            said += self.watcher.look()
            step = self.watcher.seconds_to_next()
            if self.clock.now + step > end:
                break
            self.clock.now += max(step, 0.01)
        self.clock.now = end
        return [(sighting.path, sighting.state) for sighting in said]


@pytest.fixture(params=[True, False], ids=["hints", "polling"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    made = Bench(tmp_path, hints=request.param)
    made.after(0)
    return made


def test_a_whole_file_is_ready_when_it_has_settled(bench: Bench) -> None:
    bench.write("a.pt", checkpoint())
    assert bench.after(SCAN_POLLING + 2 * SETTLE) == [("a.pt", "seen"), ("a.pt", "ready")]
    assert bench.after(60) == []


def test_a_closed_file_is_ready_a_quarter_of_a_second_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path, hints=True)
    bench.after(0)
    bench.write("a.pt", checkpoint())
    assert bench.after(SETTLE_AFTER_CLOSE - 0.01) == [("a.pt", "seen")]
    assert bench.after(0.02) == [("a.pt", "ready")]


def test_a_growing_file_is_not_ready_before_it_is_whole(bench: Bench) -> None:
    whole = checkpoint()
    for part in range(1, 5):
        bench.write("a.pt", whole[: len(whole) * part // 5], closed=False)
        assert ("a.pt", "ready") not in bench.after(2 * SETTLE)
    bench.write("a.pt", whole)
    assert ("a.pt", "ready") in bench.after(SCAN_POLLING + 2 * SETTLE)


def test_a_file_that_never_becomes_whole_is_incomplete_in_the_end_and_a_change_wakes_it(bench: Bench) -> None:
    whole = checkpoint()
    bench.write("a.pt", whole[:100])
    said = bench.after(SCAN_POLLING + INCOMPLETE_AFTER + 10 * SETTLE)
    assert said == [("a.pt", "seen"), ("a.pt", "settling"), ("a.pt", "incomplete")]
    assert bench.after(3600) == []
    bench.write("a.pt", whole)
    assert bench.after(SCAN_POLLING + 2 * SETTLE)[-1] == ("a.pt", "ready")


def test_a_file_overwritten_under_its_name_is_seen_anew(bench: Bench) -> None:
    bench.write("latest.pt", checkpoint(1))
    bench.after(SCAN_POLLING + 2 * SETTLE)
    bench.write("latest.pt", checkpoint(2))
    assert bench.after(SCAN_POLLING + 2 * SETTLE) == [("latest.pt", "seen"), ("latest.pt", "ready")]


def test_a_change_that_restores_size_and_mtime_is_seen_all_the_same(bench: Bench) -> None:
    bench.write("a.pt", checkpoint(1))
    before = (bench.root / "a.pt").stat()
    bench.after(SCAN_POLLING + 2 * SETTLE)
    bench.write("a.pt", checkpoint(2))
    os.utime(bench.root / "a.pt", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ("a.pt", "ready") in bench.after(SCAN_POLLING + 2 * SETTLE)


def test_without_any_hint_the_scan_finds_everything(tmp_path: Path) -> None:
    bench = Bench(tmp_path, hints=True)
    bench.after(0)
    for number in range(30):
        bench.write(f"deep/{number}/a.pt", checkpoint(number))
    assert bench.told is not None
    bench.told.paths.clear()
    assert sum(state == "ready" for _, state in bench.after(30)) == 30


def test_a_file_that_goes_before_it_is_ready_has_vanished(bench: Bench) -> None:
    bench.write("a.pt", checkpoint()[:50], closed=False)
    bench.after(SCAN_POLLING + SETTLE)
    (bench.root / "a.pt").unlink()
    assert ("a.pt", "vanished") in bench.after(60)


@pytest.mark.parametrize(
    ("make", "state", "words"),
    [
        (lambda root: os.mkfifo(root / "p.pt"), "unsupported", "not a regular file"),
        (lambda root: (root / "l.pt").symlink_to("/etc/hostname"), "refused", "leads out of the watched folder"),
        (lambda root: (root / "e.pt").write_bytes(b"\x80\x04\x95evil"), "refused", "pickle could run code"),
        (lambda root: (root / "t.pt").write_text("just some text here"), "unsupported", "not a checkpoint"),
        (
            lambda root: os.close(os.open(os.fsencode(root) + b"/\xff.pt", os.O_CREAT | os.O_WRONLY)),
            "unsupported",
            "not valid UTF-8",
        ),
    ],
    ids=["pipe", "link", "pickle", "text", "name"],
)
def test_what_is_not_to_be_opened_is_said(
    tmp_path: Path, make: Callable[[Path], object], state: str, words: str
) -> None:
    make(tmp_path)
    bench = Bench(tmp_path, hints=False)
    sightings = []
    for _ in range(4):
        sightings += bench.watcher.look()
        bench.clock.now += SETTLE
    assert sightings[-1].state == state
    assert words in sightings[-1].reason


def test_aliases_stores_hidden_and_temporary_files_are_passed_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, hints=False)
    bench.write("a.pt", checkpoint())
    (tmp_path / "last.pt").symlink_to(tmp_path / "a.pt")
    bench.write("fxwatch/runs/b.pt", checkpoint())
    (tmp_path / "fxwatch" / ".fxwatch-store").touch()
    bench.write(".git/c.pt", checkpoint())
    bench.write("d.pt.tmp", checkpoint())
    (tmp_path / "x.pt").mkdir()
    assert {path for path, _ in bench.after(5)} == {"a.pt"}


def test_a_lost_root_is_said_and_its_return_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "outputs"
    root.mkdir()
    bench = Bench(root, hints=False)
    bench.after(0)
    root.rename(tmp_path / "away")
    assert bench.after(5) == []
    assert "cannot be read" in (bench.watcher.trouble or "")
    with pytest.raises(RootError):
        scan(str(root), {})
    (tmp_path / "away").rename(root)
    bench.write("a.pt", checkpoint())
    assert ("a.pt", "ready") in bench.after(5)
    assert bench.watcher.trouble is None


def test_what_was_decided_before_is_not_decided_again(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(checkpoint())
    generation = scan(str(tmp_path), {}).files["a.pt"].generation
    clock = Clock()
    watcher = Watcher(str(tmp_path), Listener(None, None, clock), {"a.pt": generation}, clock)
    assert watcher.look() == []
    assert watcher.checkpoints() == 1


@pytest.mark.parametrize(
    ("path", "run"),
    [
        ("a.pt", "default"),
        ("checkpoints/a.pt", "default"),
        ("exp1/a.pt", "exp1"),
        ("exp1/checkpoints/a.pt", "exp1"),
        ("exp1/checkpoint-500/model.safetensors", "exp1"),
        ("exp1/checkpoint_7/a.pt", "exp1"),
        ("exp1/best/models/a.pt", "exp1"),
        ("exp1/best_model/a.pt", "exp1"),
        ("best/exp1/weights/a.pt", "best/exp1"),
        ("exp1/seed_0/ckpt/states/states.npz", "exp1/seed_0"),
        ("exp1/dumps/states.npz", "exp1"),
    ],
)
def test_a_run_is_the_folder_less_what_says_nothing(path: str, run: str) -> None:
    assert run_of(path) == run


def test_states_may_come_from_the_folders_above() -> None:
    assert list(runs_above("a/b")) == ["a/b", "a", "default"]
    assert list(runs_above("default")) == ["default"]
