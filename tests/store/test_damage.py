"""Whatever has become of a store's own files, the daemon starts, keeps what was damaged, and loses no result."""

import errno
import os
import shutil
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fxwatch import exit_codes
from fxwatch.records.history import HistoryLine
from fxwatch.records.ledger import FileState, Generation, LedgerLine
from fxwatch.store import ledger as ledger_module
from fxwatch.store.layout import Run
from fxwatch.store.ledger import Ledger
from fxwatch.store.lines import LineWriter, as_line, last_line, lines_backwards, mend, parse_line, read_lines
from fxwatch.store.read import read_analysis, read_history
from fxwatch.store.shares import ShareIndex
from fxwatch.store.write import RunWriter, as_json
from tests.analyses import analysis
from tests.project import Project

BEFORE: tuple[FileState, ...] = ("seen", "ready")
OUTCOMES: tuple[FileState, ...] = ("done", "skipped", "skipped", "skipped", "skipped")
GENERATION = Generation(device=1, inode=2, size=3, mtime_ns=4, ctime_ns=5)


def line(seq: int, reason: str = "") -> LedgerLine:
    return LedgerLine(
        seq=seq,
        at="2026-11-22T08:00:00+00:00",
        path=f"a{seq}.pt",
        state="seen",
        reason=reason,
        generation=GENERATION,
        number=seq,
    )


LINES = [line(seq, 'it says ,"crc":"00000000"}' if seq == 1 else "") for seq in range(4)]
WHOLE = b"".join(map(as_line, LINES))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines")


def check_it_goes_on(path: Path, content: bytes) -> list[LedgerLine]:
    """Mend a file of this content, append to it, and read it: what is in it before the new line."""
    for old in path.parent.iterdir():
        old.unlink()
    path.write_bytes(content)
    mended: list[LedgerLine] = []
    words = mend(path, LedgerLine, mended.append)
    writer = LineWriter(path)
    writer.append(line(99))
    writer.close()
    found = list(read_lines(path, LedgerLine))
    assert found == [*mended, line(99)]
    assert [*lines_backwards(path, LedgerLine)] == found[::-1]
    again: list[LedgerLine] = []
    assert mend(path, LedgerLine, again.append) is None
    assert again == found
    kept = [other for other in path.parent.iterdir() if other != path]
    assert [other.read_bytes() for other in kept] == ([content] if words else [])
    return mended


@given(place=some.integers(0, len(WHOLE) - 1), byte=some.integers(0, 255))
def test_any_byte_that_changes_costs_its_lines_alone(folder: Path, place: int, byte: int) -> None:
    content = WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]
    found = check_it_goes_on(folder / "ledger.jsonl", content)
    assert all(record in LINES for record in found)
    hit = WHOLE[:place].count(b"\n")
    kept = [record for number, record in enumerate(LINES) if number not in {hit, hit + (WHOLE[place] == ord("\n"))}]
    assert [record for record in found if record in kept] == kept


@given(length=some.integers(0, len(WHOLE)))
def test_a_torn_line_is_dropped_and_the_next_is_whole(folder: Path, length: int) -> None:
    found = check_it_goes_on(folder / "ledger.jsonl", WHOLE[:length])
    ends = [place for place, byte in enumerate(WHOLE) if byte == ord("\n")]
    assert found == LINES[: sum(length >= end for end in ends)]  # a newline alone that is missing is put there
    assert [path.name for path in folder.iterdir()] == ["ledger.jsonl"]


@given(garbage=some.binary(max_size=200), place=some.integers(0, len(WHOLE)))
def test_garbage_anywhere_is_kept_beside_and_passed_over(folder: Path, garbage: bytes, place: int) -> None:
    found = check_it_goes_on(folder / "ledger.jsonl", WHOLE[:place] + garbage + WHOLE[place:])
    whole_before = WHOLE[:place].count(b"\n")
    assert found[:whole_before] == LINES[:whole_before]
    assert all(record in LINES for record in found)


def test_lines_without_a_checksum_are_those_of_an_older_fxwatch(tmp_path: Path) -> None:
    old = b'{"seq":0,"at":"2026-11-22T08:00:00+00:00","path":"a.pt","state":"ready","kind":"checkpoint","run":"r"}\n'
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(old + b"\n" + old.replace(b'"seq":0', b'"seq":1'))
    ledger = Ledger(path)
    assert ledger.words is None
    assert ledger.checkpoints("r") == 2  # as it counted
    assert parse_line(old.replace(b'"r"}', b'"r","crc":"00000000"}'), LedgerLine) is None


def test_what_is_read_at_the_start_takes_no_more_memory_than_what_is_kept_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(as_line(line(seq).model_copy(update={"path": "a.pt"})) for seq in range(3000)))
    tracemalloc.start()
    ledger = Ledger(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.path for one in ledger.newest()] == ["a.pt"]
    assert most < path.stat().st_size / 2


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/etc/hostname")], ids=["folder", "link"])
def test_what_is_no_file_is_moved_aside(tmp_path: Path, make: object) -> None:
    make(tmp_path / "ledger.jsonl")  # type: ignore[operator]
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert "was no file" in (ledger.words or "")
    ledger.note("a.pt", "seen", kind="checkpoint", run="r", generation=GENERATION)
    assert (tmp_path / "ledger.jsonl").is_file()
    assert not (tmp_path / "ledger.jsonl").is_symlink()


def test_a_line_that_did_not_fit_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = tmp_path / "ledger.jsonl", os.write
    writer = LineWriter(path)
    writer.append(line(0))
    room = [100]

    def short(handle: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(handle, bytes(data)[: room[0]])
        room[0] = 0
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        with pytest.raises(OSError, match="No space left"):
            writer.append(line(1))
    writer.append(line(2))
    assert path.read_bytes() == as_line(line(0)) + as_line(line(2))


def a_run(folder: Path, count: int = 6) -> tuple[Run, list[HistoryLine]]:
    run = Run("default", folder)
    writer = RunWriter(run)
    for step in range(count):
        moment = f"2026-11-22T08:00:{step:02d}+00:00"
        writer.commit(analysis(step, created_at=moment, late=step == 3))
    writer.close()
    return run, read_history(run)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[HistoryLine], bytes]:
    made, lines = a_run(tmp_path_factory.mktemp("run"))
    return made, lines, made.history.read_bytes()


@given(place=some.floats(0, 1), garbage=some.binary(min_size=1, max_size=300), over=some.sampled_from([0, 1]))
def test_a_history_is_rebuilt_from_the_analyses(
    run: tuple[Run, list[HistoryLine], bytes], place: float, garbage: bytes, over: int
) -> None:
    made, lines, whole = run
    at = int(place * len(whole))
    made.history.write_bytes(whole[:at] + garbage + whole[at + over * len(garbage) :])
    RunWriter(made).close()
    assert read_history(made) == lines
    for copy in made.folder.glob("*.damaged-*"):
        copy.unlink()


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, None], ids=["empty", "zeros", "gone"])
def test_a_history_that_is_gone_altogether_is_rebuilt(tmp_path: Path, content: bytes | None) -> None:
    run, lines = a_run(tmp_path)
    if content is None:
        run.history.unlink()
    else:
        run.history.write_bytes(content)
    RunWriter(run).close()
    assert read_history(run) == lines
    assert ShareIndex(run.shares).holds(range(6))


@pytest.mark.parametrize(
    "content", [b"", b"[]\n", b'{"hf": 3}\n', b'{"hf": [1]', b"\xff\xfe\n" * 50, b"{}\n" + b"x" * 99]
)
@pytest.mark.parametrize("suffix", [".rows", ".details"])
def test_an_index_of_any_content_is_rebuilt(tmp_path: Path, content: bytes, suffix: str) -> None:
    run, _ = a_run(tmp_path)
    good = {path.name: path.read_bytes() for path in run.shares.iterdir()}
    next(run.shares.glob(f"*{suffix}")).write_bytes(content)
    RunWriter(run).close()
    assert {path.name: path.read_bytes() for path in run.shares.iterdir()} == good


def test_rows_of_analyses_that_are_not_in_the_history_are_no_good(tmp_path: Path) -> None:
    run, _ = a_run(tmp_path)
    rows = next(run.shares.glob("*.rows"))
    size = rows.stat().st_size
    rows.write_bytes(rows.read_bytes()[: size // 2])
    assert not ShareIndex(run.shares).holds(range(6))
    shutil.rmtree(run.analysis(analysis(5).id).folder)
    run.history.write_bytes(b"")
    RunWriter(run).close()
    assert ShareIndex(run.shares).holds(range(5))


def test_a_damaged_analysis_costs_its_row_alone(tmp_path: Path) -> None:
    run, lines = a_run(tmp_path)
    run.analysis(lines[2].id).json.write_bytes(b"")
    next(run.shares.glob("*.rows")).unlink()
    RunWriter(run).close()
    assert read_history(run) == lines
    assert ShareIndex(run.shares).holds([0, 1, 3, 4, 5])


@pytest.mark.parametrize("step", [100, 200], ids=["an older one", "the newest"])
@pytest.mark.parametrize("left", [None, b"", b"{"])
def test_a_damaged_analysis_that_is_made_anew_is_whole_again_and_noted_once(
    tmp_path: Path, step: int, left: bytes | None
) -> None:
    run = Run("default", tmp_path / "default")
    writer = RunWriter(run)
    for one in (analysis(100), analysis(200)):
        writer.commit(one)
    damaged = run.analysis(analysis(step).id).json
    damaged.unlink() if left is None else damaged.write_bytes(left)
    writer.commit(analysis(step))
    writer.close()
    assert read_analysis(damaged) == analysis(step)
    assert [line.id for line in read_history(run)] == [analysis(100).id, analysis(200).id]
    assert ShareIndex(run.shares).holds(range(2))


@pytest.mark.parametrize("name", ["ledger.jsonl", "runs/default/history.jsonl"])
def test_a_store_of_the_future_is_refused_in_words_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path)
    project.store.create()
    path = project.store.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    record = line(0) if "ledger" in name else HistoryLine.of(analysis(), 0)
    newer = as_line(record.model_copy(update={"schema_version": 2}))
    path.write_bytes(as_line(record) + newer)
    done = project.run("daemon", "--once")
    assert done.returncode == exit_codes.FAILURE
    assert "is of a newer fxwatch (schema 2, this one knows 1); install that one, or set [store] dir" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == as_line(record) + newer


def test_a_ledger_of_many_lines_a_path_is_made_anew_from_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "COMPACT_FROM", 10_000)
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    for number in range(500):
        generation = Generation(device=1, inode=number, size=3, mtime_ns=4, ctime_ns=5)
        for state in ("seen", "ready", "done"):
            given_number = number if state == "ready" else None
            ledger.note('late"st.pt', state, kind="checkpoint", run="r", generation=generation, number=given_number)
    ledger.note("other.pt", "ready", kind="checkpoint", run="r", generation=GENERATION, number=500)
    assert path.stat().st_size < 20_000
    numbers = [found.seq for found in read_lines(path, LedgerLine)]
    assert numbers == sorted(numbers)
    ledger.close()
    again = Ledger(path)
    assert again.words is None
    assert again.counts() == {"done": 1, "ready": 1}
    assert again.checkpoints("r") == 501
    assert last_line(path, LedgerLine) is not None


def test_of_files_that_are_gone_only_their_number_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "COMPACT_FROM", 10_000)
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.note("states.npz", "ready", kind="states", run="r", generation=GENERATION)
    for number in range(500):
        name, outcome = f"model_{number}.pt", OUTCOMES[number % 5]
        generation = Generation(device=1, inode=number, size=3, mtime_ns=4, ctime_ns=5)
        for state in (*BEFORE, outcome):
            given = number if state == "ready" else None
            ledger.note(name, state, kind="checkpoint", run="r", generation=generation, number=given)
        ledger.forget(name)
    ledger.note("model_0.pt", "seen", kind="checkpoint", run="r", generation=GENERATION)
    assert path.stat().st_size < 20_000
    numbers = [found.seq for found in read_lines(path, LedgerLine)]
    assert numbers == sorted(set(numbers))
    for _ in range(2):
        assert [one.path for one in ledger.newest()] == ["states.npz", "model_0.pt"]
        assert ledger.counts() == {"ready": 1, "done": 100, "skipped": 400, "seen": 1}
        assert ledger.checkpoints("r") == 500
        ledger.close()
        ledger = Ledger(path)
        assert ledger.words is None
    ledger.close()


def test_everything_committed_is_in_the_history_once_whatever_was_noted(tmp_path: Path) -> None:
    run, lines = a_run(tmp_path)
    lost = analysis(77, created_at="2026-11-22T09:00:00+00:00")
    folder = run.analysis(lost.id)
    folder.folder.mkdir()
    folder.json.write_bytes(as_json(lost))
    for _ in range(2):
        RunWriter(run).close()
    found = read_history(run)
    assert found[:-1] == lines
    assert (found[-1].id, found[-1].seq) == (lost.id, 6)
