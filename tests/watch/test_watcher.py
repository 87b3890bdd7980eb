"""When a file is ready: by a clock that the test turns, with and without hints."""

import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fxwatch.formats import recognise
from fxwatch.formats.recognise import Recognition
from fxwatch.records.ledger import Generation
from fxwatch.watch import Listener, Watcher, run_of, runs_above
from fxwatch.watch.scan import RootError, scan
from fxwatch.watch.watcher import INCOMPLETE_AFTER, PARTS_AGAIN, SCAN_WITH_EVENTS, SETTLE, SETTLE_AFTER_CLOSE
from tests.daemon.harness import whole
from tests.watch.bench import SOURCES, Bench, Clock, checkpoint


@pytest.fixture(params=SOURCES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, request.param, seed=len(request.node.name))
    made.after(0)
    yield made
    made.stop()


def test_a_whole_file_is_ready_when_it_has_settled(bench: Bench) -> None:
    bench.write("a.pt", checkpoint())
    assert bench.after(bench.soon) == [("a.pt", "seen"), ("a.pt", "ready")]
    assert bench.after(60) == []


def test_a_closed_file_is_ready_a_quarter_of_a_second_later(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "told")
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
    assert ("a.pt", "ready") in bench.after(bench.soon)


def test_a_file_that_never_becomes_whole_is_incomplete_in_the_end_and_a_change_wakes_it(bench: Bench) -> None:
    whole = checkpoint()
    bench.write("a.pt", whole[:100])
    said = bench.after(bench.soon + INCOMPLETE_AFTER + 10 * SETTLE)
    assert said == [("a.pt", "seen"), ("a.pt", "settling"), ("a.pt", "incomplete")]
    assert bench.after(3600) == []
    bench.write("a.pt", whole)
    assert bench.after(bench.soon)[-1] == ("a.pt", "ready")


@pytest.mark.parametrize("first", ["index", "shards"])
def test_a_checkpoint_in_parts_is_ready_when_the_last_of_them_is_there(bench: Bench, first: str) -> None:
    index, shards = "exp/model.safetensors.index.json", [f"exp/model-0000{one}-of-00002.safetensors" for one in (1, 2)]
    content = json.dumps({"weight_map": {name: Path(name).name for name in shards}}).encode()
    if first == "index":
        bench.write(index, content)
    bench.write(shards[0], whole(1))
    said = bench.after(bench.soon)
    if first == "index":
        assert said[-1] == (index, "settling")
    bench.write(shards[1], whole(2)[:-1])
    assert (index, "ready") not in bench.after(bench.soon)
    bench.write(shards[1], whole(2))
    if first == "shards":
        bench.write(index, content)
    assert (index, "ready") in bench.after(60)


def test_a_checkpoint_of_which_a_part_comes_very_late_is_taken_all_the_same(bench: Bench) -> None:
    index, shard = "exp/model.safetensors.index.json", "exp/model-00001-of-00001.safetensors"
    bench.write(index, json.dumps({"weight_map": {"w": Path(shard).name}}).encode())
    said = bench.sightings(bench.soon + INCOMPLETE_AFTER + 10 * SETTLE)
    assert (said[-1].state, said[-1].reason.split(";")[0]) == ("incomplete", f"{Path(shard).name}: not there yet")
    assert bench.after(3600) == []
    bench.write(shard, whole(1))
    assert (index, "ready") in bench.after(PARTS_AGAIN)


def test_a_file_overwritten_under_its_name_is_seen_anew(bench: Bench) -> None:
    bench.write("latest.pt", checkpoint(1))
    bench.after(bench.soon)
    bench.write("latest.pt", checkpoint(2))
    assert bench.after(bench.soon) == [("latest.pt", "seen"), ("latest.pt", "ready")]


def test_a_change_that_restores_size_and_mtime_is_seen_all_the_same(bench: Bench) -> None:
    bench.write("a.pt", checkpoint(1))
    before = (bench.root / "a.pt").stat()
    bench.after(bench.soon)
    bench.write("a.pt", checkpoint(2))
    os.utime(bench.root / "a.pt", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ("a.pt", "ready") in bench.after(bench.soon)


def test_without_any_hint_the_scan_finds_everything(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "told")
    bench.after(0)
    for number in range(30):
        bench.write(f"deep/{number}/a.pt", checkpoint(number))
    bench.told.paths.clear()
    assert sum(state == "ready" for _, state in bench.after(30)) == 30


def test_a_file_that_goes_before_it_is_ready_has_vanished(bench: Bench) -> None:
    bench.write("a.pt", checkpoint()[:50], closed=False)
    bench.after(bench.soon)
    (bench.root / "a.pt").unlink()
    assert ("a.pt", "vanished") in bench.after(60)


@pytest.mark.parametrize(
    ("make", "state", "words"),
    [
        (lambda root: os.mkfifo(root / "p.pt"), "unsupported", "not a regular file"),
        (lambda root: socket.socket(socket.AF_UNIX).bind(str(root / "s.pt")), "unsupported", "not a regular file"),
        (lambda root: (root / "l.pt").symlink_to("/etc/hostname"), "refused", "leads out of the watched folder"),
        (lambda root: (root / "e.pt").write_bytes(b"\x80\x04\x95evil"), "refused", "pickle could run code"),
        (lambda root: (root / "t.pt").write_text("just some text here"), "unsupported", "not a checkpoint"),
        (
            lambda root: os.close(os.open(os.fsencode(root) + b"/\xff.pt", os.O_CREAT | os.O_WRONLY)),
            "unsupported",
            "not valid UTF-8",
        ),
    ],
    ids=["pipe", "socket", "link", "pickle", "text", "name"],
)
def test_what_is_not_to_be_opened_is_said(
    tmp_path: Path, make: Callable[[Path], object], state: str, words: str
) -> None:
    make(tmp_path)
    bench = Bench(tmp_path)
    sightings = []
    for _ in range(4):
        sightings += bench.watcher.look()
        bench.clock.now += SETTLE
    assert sightings[-1].state == state
    assert words in sightings[-1].reason
    (there,) = tmp_path.iterdir()
    assert sightings[-1].path == os.fsencode(there.name).decode("ascii", "backslashreplace")


def test_a_file_that_upsets_its_reader_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def upset(path: str) -> Recognition:
        if path.endswith("bad.pt"):
            raise EOFError
        return recognise(path)

    monkeypatch.setattr("fxwatch.watch.watcher.recognise", upset)
    bench = Bench(tmp_path)
    bench.write("bad.pt", checkpoint())
    bench.write("good.pt", checkpoint())
    said = {one.path: (one.state, one.reason) for one in bench.sightings(5)}
    assert said["bad.pt"] == ("unsupported", "its structure makes no sense (EOFError)")
    assert said["good.pt"][0] == "ready"


def test_aliases_stores_hidden_and_temporary_files_are_passed_over(bench: Bench) -> None:
    (bench.root / "fxwatch").mkdir()
    (bench.root / "fxwatch" / ".fxwatch-store").touch()
    (bench.root / "old").mkdir()
    (bench.root / "old" / ".fxwatch-store").touch()
    bench.write("a.pt", checkpoint())
    (bench.root / "last.pt").symlink_to(bench.root / "a.pt")
    for name in ("fxwatch/runs/b.pt", "old/runs/b.pt", ".git/c.pt", "d.pt.tmp", "tmp-checkpoint-5/f.pt"):
        bench.write(name, checkpoint())
    bench.write("x.pt/e.pt", checkpoint())
    (bench.root / "x.pt" / "round").symlink_to(bench.root)
    assert {path for path, _ in bench.after(bench.soon)} - {"never/was.pt"} == {"a.pt", "x.pt/e.pt"}
    assert "link" not in (bench.watcher.trouble or "")


def test_a_folder_that_has_a_temporary_name_is_taken_when_it_is_renamed(bench: Bench) -> None:
    bench.write("exp/tmp-checkpoint-5/model.safetensors", checkpoint())
    assert bench.after(bench.soon) == []
    (bench.root / "exp" / "tmp-checkpoint-5").rename(bench.root / "exp" / "checkpoint-5")
    assert bench.after(bench.soon + SCAN_WITH_EVENTS)[-2:] == [
        ("exp/checkpoint-5/model.safetensors", "seen"),
        ("exp/checkpoint-5/model.safetensors", "ready"),
    ]


def test_a_folder_that_is_a_link_to_elsewhere_is_named_and_not_entered(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.pt").write_bytes(checkpoint())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path / "elsewhere")
    bench = Bench(tmp_path / "in")
    bench.write("a.pt", checkpoint())
    assert {path for path, _ in bench.after(5)} == {"a.pt"}
    assert "out (a symbolic link that leads out of the watched folder; " in (bench.watcher.trouble or "")


@pytest.mark.parametrize("seconds", [0, 4_000_000_000])
def test_what_a_files_times_say_is_compared_with_no_clock(tmp_path: Path, seconds: int) -> None:
    bench = Bench(tmp_path)
    (tmp_path / "a.pt").write_bytes(checkpoint())
    os.utime(tmp_path / "a.pt", (seconds, seconds))
    assert ("a.pt", "ready") in bench.after(5)


def test_a_lost_root_is_said_and_its_return_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "outputs"
    root.mkdir()
    bench = Bench(root)
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


class Entry:
    """An entry of a folder that notes who asks for its times."""

    def __init__(self, real: os.DirEntry[str], asked: list[str]) -> None:
        self.name, self.path, self._real, self._asked = real.name, real.path, real, asked
        self.is_dir, self.is_symlink = real.is_dir, real.is_symlink

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        self._asked.append(self.name)
        return self._real.stat(follow_symlinks=follow_symlinks)


def test_a_scan_asks_candidates_alone_for_their_times_once_and_rests_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.pt", "b.pt", *(f"events_{number}.log" for number in range(20))):
        (tmp_path / name).write_bytes(checkpoint())
    clock = Clock()
    watcher = Watcher(str(tmp_path), Listener(None, None, clock), {}, clock)
    asked, scandir, lstat = list[str](), os.scandir, os.lstat

    @contextmanager
    def slow(folder: str) -> Iterator[list[Entry]]:
        clock.now += 3  # seconds
        with scandir(folder) as listing:
            yield [Entry(entry, asked) for entry in listing]

    def noted(path: str) -> os.stat_result:
        asked.append(f"lstat {os.path.basename(path)}")  # noqa: PTH119
        return lstat(path)

    monkeypatch.setattr(os, "scandir", slow)
    monkeypatch.setattr(os, "lstat", noted)
    for closely in (True, False):  # what is as it was is not looked at closer
        asked.clear()
        watcher.look()
        assert sorted(asked) == (["lstat a.pt", "lstat b.pt"] if closely else ["a.pt", "b.pt"])
        while watcher.settling():
            clock.now += SETTLE
            watcher.look()
        assert watcher.seconds_to_next() >= 19 * 3 - 2 * SETTLE
        clock.now += watcher.seconds_to_next()


def in_another_life(root: Path, earlier: list[str], device: int | None = None) -> Watcher:
    clock, found = Clock(), Generation(device or root.stat().st_dev, 1, 2, 3, 4)
    return Watcher(str(root), Listener(None, None, clock), {}, clock, earlier=dict.fromkeys(earlier, found))


def test_what_went_while_nobody_looked_is_said_after_the_first_look(tmp_path: Path) -> None:
    (tmp_path / "there.pt").write_bytes(checkpoint())
    (tmp_path / os.fsdecode(b"b\xff.pt")).write_bytes(checkpoint())
    watcher = in_another_life(tmp_path, ["there.pt", "b\\xff.pt", "gone.pt", "away/gone.pt"])
    said = [(sighting.path, sighting.state) for sighting in watcher.look() if sighting.state != "seen"]
    assert sorted(said) == [("away/gone.pt", "vanished"), ("gone.pt", "vanished")]


def test_what_is_to_be_decided_again_is_found_by_the_next_scan_or_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    for name in ("gone.pt", "there.pt"):
        bench.write(name, checkpoint())
    bench.after(10)
    (tmp_path / "gone.pt").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("fxwatch.watch.watcher.look_at", failing)
        bench.watcher.again("there.pt")
    bench.watcher.again("gone.pt")
    said = bench.after(10)
    assert ("gone.pt", "vanished") in said
    assert ("there.pt", "ready") in said


def failing(*_: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_an_empty_folder_of_another_file_system_than_in_an_earlier_life_takes_nothing_with_it(tmp_path: Path) -> None:
    watcher = in_another_life(tmp_path, ["there.pt"], device=tmp_path.stat().st_dev + 1)
    assert watcher.look() == []
    assert "it may not be mounted" in (watcher.trouble or "")


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
