"""What is written can be read, whatever a crash has left behind."""

import fcntl
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fxwatch.records.history import HistoryLine
from fxwatch.records.ledger import Generation, LedgerLine
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import Store, StoreError
from fxwatch.store.ledger import Ledger
from fxwatch.store.lines import last_line, read_lines
from fxwatch.store.lock import HeldError, held
from fxwatch.store.read import read_analysis, read_history
from fxwatch.store.shares import ShareIndex
from fxwatch.store.write import RunWriter, as_json
from tests.analyses import SHARES, analysis, explanation

LAYOUT = {branch: list(units) for branch, units in SHARES.items()}
GENERATION = Generation(device=1, inode=2, size=3, mtime_ns=4, ctime_ns=5)


def test_the_store_is_marked_and_never_takes_over_a_strangers_folder(tmp_path: Path) -> None:
    Store.of(tmp_path, None).create()
    Store.of(tmp_path, None).create()
    assert (tmp_path / "fxwatch" / ".fxwatch-store").is_file()
    (tmp_path / "other" / "fxwatch").mkdir(parents=True)
    (tmp_path / "other" / "fxwatch" / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not a store of fxwatch's; set \\[store\\] dir"):
        Store.of(tmp_path / "other", None).create()
    assert [path.name for path in (tmp_path / "other" / "fxwatch").iterdir()] == ["mine.txt"]


def test_an_analysis_is_committed_noted_and_indexed(store: Store) -> None:
    writer = RunWriter(store.run("a/b"))
    for step in (100, 200):
        writer.commit(analysis(step, run="a/b"))
    writer.close()
    run = next(iter(store.runs()))
    assert run.name == "a/b"
    lines = read_history(run)
    assert [(line.seq, line.id, line.step, line.verdict) for line in lines] == [
        (0, "step-000000100-1a2b3c4d", 100, "ok"),
        (1, "step-000000200-1a2b3c4d", 200, "ok"),
    ]
    assert lines[0].consensus == 0.823
    assert read_analysis(run.analysis(lines[1].id).json) == analysis(200, run="a/b")
    seqs, shares = ShareIndex(run.shares).history(LAYOUT, "portfolio", "cash_ratio")
    assert seqs.tolist() == [0, 1]
    assert shares.tolist() == pytest.approx([0.12, 0.12])


def test_analysis_json_is_plain_ascii_json_without_nan(store: Store) -> None:
    units = {"hf": {"\x1b[31mred\u202e": explanation().units["hf"]["spread"]}}
    data = as_json(analysis(units=units))
    assert data.isascii()
    assert b"\x1b" not in data
    json.loads(data, parse_constant=pytest.fail)


def test_what_was_committed_but_not_noted_is_noted_at_the_next_start(store: Store) -> None:
    run = store.run("default")
    writer = RunWriter(run)
    writer.commit(analysis(100))
    writer.close()
    lost = analysis(200)
    folder = run.analysis(lost.id)
    folder.folder.mkdir()
    folder.json.write_bytes(as_json(lost))
    (run.folder / ".fxw-1-dead.tmp").write_text("half")
    (run.folder / "step-000000300-ffffffff").mkdir()  # no analysis.json: it did not happen
    again = RunWriter(run)
    assert [line.step for line in read_history(run)] == [100, 200]
    assert again.newest is not None
    assert again.newest.step == 200
    assert not (run.folder / ".fxw-1-dead.tmp").exists()
    assert ShareIndex(run.shares).holds([0, 1])


@pytest.mark.parametrize("damage", ["missing", "torn", "garbage"])
def test_the_index_is_rebuilt_from_the_analyses(store: Store, damage: str) -> None:
    run = store.run("default")
    writer = RunWriter(run)
    for step in range(5):
        writer.commit(analysis(step))
    writer.close()
    file = next(run.shares.glob("*.rows"))
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-3] if damage == "torn" else b"garbage")
    RunWriter(run).close()
    assert ShareIndex(run.shares).history(LAYOUT, "hf", "spread")[0].tolist() == [0, 1, 2, 3, 4]
    assert ShareIndex(run.shares).shares(LAYOUT, [3, 4]).shape == (2, 11)


def test_another_layout_of_features_has_an_index_of_its_own(store: Store) -> None:
    writer = RunWriter(store.run("default"))
    writer.commit(analysis(1))
    units = {"hf": {"only": explanation().units["hf"]["spread"]}}
    writer.commit(analysis(2, units=units))
    index = ShareIndex(store.run("default").shares)
    assert index.shares(LAYOUT, [0, 1]).shape == (1, 11)
    assert index.shares({"hf": ["only"]}, [0, 1]).shape == (1, 1)
    assert index.shares({"hf": ["never"]}, [0, 1]).shape == (0, 1)
    assert np.allclose(index.shares({"hf": ["only"]}, [0, 1]), 0.05)


def test_a_newer_schema_and_damage_are_refused_in_words(store: Store) -> None:
    path = store.root / "analysis.json"
    path.write_bytes(as_json(analysis().model_copy(update={"schema_version": 2})))
    with pytest.raises(StoreError, match="written by a newer fxwatch"):
        read_analysis(path)
    path.write_text('{"id": 3')
    with pytest.raises(StoreError, match="is not an analysis of fxwatch's"):
        read_analysis(path)
    with pytest.raises(StoreError, match="cannot be read"):
        read_analysis(store.root / "none.json")


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "a", b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def line(seq: int) -> LedgerLine:
    return LedgerLine(seq=seq, at="2026-11-22T08:00:00+00:00", path=f"a{seq}.pt", state="seen")


def test_the_newest_line_is_found_in_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    lines = [HistoryLine.of(analysis(step), step).model_dump_json() for step in range(500)]
    path.write_text("\n".join([*lines, '{"seq": torn']))
    newest = last_line(path, HistoryLine)
    assert newest is not None
    assert newest.seq == 499
    assert last_line(tmp_path / "none", HistoryLine) is None


def test_the_ledger_says_each_thing_once_and_remembers(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for _ in range(2):
        ledger.note("a.pt", "seen", kind="checkpoint", run="default", generation=GENERATION)
        ledger.note("a.pt", "ready", kind="checkpoint", run="default", generation=GENERATION)
    ledger.note("b.pt", "skipped", "every = 10", kind="checkpoint", run="default", generation=GENERATION)
    ledger.note("states.npz", "ready", kind="states", run="default", generation=GENERATION)
    newer = replace(GENERATION, mtime_ns=9)
    ledger.note("a.pt", "seen", kind="checkpoint", run="default", generation=newer)
    ledger.close()
    again = Ledger(tmp_path / "ledger.jsonl")
    assert [(found.path, found.state) for found in read_lines(tmp_path / "ledger.jsonl", LedgerLine)] == [
        ("a.pt", "seen"),
        ("a.pt", "ready"),
        ("b.pt", "skipped"),
        ("states.npz", "ready"),
        ("a.pt", "seen"),
    ]
    assert again.counts() == {"seen": 1, "skipped": 1, "ready": 1}
    assert again.checkpoints("default") == 2
    again.note("c.pt", "seen", kind="checkpoint", run="default", generation=GENERATION)
    numbers = [found.seq for found in read_lines(tmp_path / "ledger.jsonl", LedgerLine)]
    assert numbers == list(range(6))


def test_the_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path), pytest.raises(HeldError, match=f"process {os.getpid()} on "), held(path):
        pass
    code = "\n".join(
        [
            "import time; from pathlib import Path; from fxwatch.store.lock import held",
            f"with held(Path({str(path)!r})): print('held', flush=True); time.sleep(60)",
        ]
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(HeldError, match=f"process {holder.pid} "), held(path):
        pass
    holder.kill()
    holder.wait()
    with held(path):
        other = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
