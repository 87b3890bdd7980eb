"""Deliberate mistakes, each in one function of what must not lose or double anything."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any
from unittest import mock

from fxwatch.daemon.heartbeat import EVERY, Heartbeat
from fxwatch.daemon.intake import Intake
from fxwatch.daemon.jobs import Explained
from fxwatch.daemon.outcome import Outcome, Publisher
from fxwatch.daemon.plan import Plan
from fxwatch.daemon.service import Daemon
from fxwatch.formats import recognise
from fxwatch.load import content
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine, in_order
from fxwatch.records.ledger import Generation
from fxwatch.store import atomic, ledger, lines, write
from fxwatch.store.atomic import write_all, write_atomic
from fxwatch.store.ledger import Ledger
from fxwatch.store.lines import LineWriter, as_line
from fxwatch.store.write import RunWriter, as_json
from fxwatch.watch import watcher

Mutant = AbstractContextManager[Any]
patched = mock.patch.object


def no_line_for_done() -> Mutant:
    note = Ledger.note

    def forgetful(self: Ledger, path: str, state: Any, *more: Any, **others: Any) -> None:
        if state != "done":
            note(self, path, state, *more, **others)

    return patched(Ledger, "note", forgetful)


def no_look_whether_a_file_changed_while_it_was_read() -> Mutant:
    return patched(content, "_generation", lambda _: (0, 0, 0, 0))


def a_change_is_known_by_size_and_mtime_alone() -> Mutant:
    def same(one: Generation, other: object) -> bool:
        return isinstance(other, Generation) and (one.size, one.mtime_ns) == (other.size, other.mtime_ns)

    return patched(Generation, "__eq__", same)


def files_are_written_in_their_place() -> Mutant:
    def write_there(path: Path, data: bytes | IO[bytes]) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(handle, data if isinstance(data, bytes) else data.read())
        finally:
            os.close(handle)

    return patched(write, "write_atomic", write_there)


def what_ran_counts_as_decided() -> Mutant:
    remember = Intake.remember

    def too_much(self: Intake) -> dict[str, Generation]:
        ran = {one.path: one.generation for one in self._ledger.newest() if one.state == "running" and one.generation}
        return {**remember(self), **ran}

    return patched(Intake, "remember", too_much)


def the_line_before_the_analysis() -> Mutant:
    def commit(self: RunWriter, analysis: Analysis, beside: Mapping[Path, IO[bytes]]) -> None:
        line = HistoryLine.of(analysis, seq=self.count)
        self._lines.append(line)
        self._lines.sync()
        path = self.run.analysis(analysis.id).json
        path.parent.mkdir(parents=True, exist_ok=True)
        for place, file in beside.items():
            write_atomic(place, file)
        write_atomic(path, as_json(analysis))
        self.newest = in_order([self.newest, line])[-1] if self.newest is not None else line
        self.count += 1
        self._index.append(self.count - 1, analysis)

    return patched(RunWriter, "commit", commit)


def done_before_it_is_published() -> Mutant:
    explained = Publisher._explained

    def hasty(self: Publisher, work: Any, answer: Explained, files: Any) -> Outcome:
        self._note(work, "done", "", answer.analysis.id, answer.analysis)
        return explained(self, work, answer, files)

    return patched(Publisher, "_explained", hasty)


def what_was_committed_is_not_looked_for() -> Mutant:
    return patched(RunWriter, "_complete", lambda *_: False)


def what_failed_is_published_again_from_the_start() -> Mutant:
    commit = RunWriter.commit

    def again(self: RunWriter, analysis: Analysis, beside: Mapping[Path, IO[bytes]]) -> None:
        self._last = ""
        commit(self, analysis, beside)

    return patched(RunWriter, "commit", again)


def a_torn_line_stays() -> Mutant:
    return patched(lines, "_end_whole", lambda *_: None)


def a_line_that_did_not_fit_stays() -> Mutant:
    def append(self: LineWriter, *records: Any) -> None:
        write_all(self._handle, b"".join(map(as_line, records)))
        self._unsynced = True

    return patched(LineWriter, "append", append)


def events_are_the_truth() -> Mutant:
    return mock.patch.multiple(watcher, SCAN_WITH_EVENTS=1e9, SCAN_POLLING=1e9)


def what_is_there_is_whole() -> Mutant:
    def credulous(path: str) -> Any:
        found = recognise(path)
        return replace(found, format="safetensors") if found.trouble == "incomplete" else found

    return patched(watcher, "recognise", credulous)


def what_is_put_off_is_forgotten() -> Mutant:
    return patched(Plan, "try_later", lambda *_: None)


def what_could_not_be_noted_is_forgotten() -> Mutant:
    take = Intake.take

    def careless(self: Intake, sighting: Any, now: float) -> None:
        with suppress(OSError):
            take(self, sighting, now)

    return patched(Intake, "take", careless)


def a_full_disk_ends_it() -> Mutant:
    def turn(self: Daemon) -> bool:
        self._look()
        self._collect()
        self._dispatch()
        self._ledger.sync()
        self._beat("watching")
        return False

    return patched(Daemon, "turn", turn)


def what_changed_while_it_was_analysed_is_not_looked_at_again() -> Mutant:
    trouble = Publisher._trouble

    def deaf(self: Publisher, work: Any, answer: Any) -> Outcome:
        found = trouble(self, work, answer)
        return Outcome(failed=True) if found.again is not None else found

    return patched(Publisher, "_trouble", deaf)


def litter_stays() -> Mutant:
    return mock.patch.multiple(write, remove_unfinished=lambda *_: None)


def the_generation_is_that_of_the_end() -> Mutant:
    """A result is noted under what the file is when it comes, though another file was read."""
    note = Publisher._note

    def late(self: Publisher, work: Any, state: Any, *more: Any, **others: Any) -> None:
        now = self._ledger.get(work.candidate.path)
        generation = now.generation if now is not None and now.generation is not None else work.generation
        note(self, replace(work, generation=generation), state, *more, **others)

    return patched(Publisher, "_note", late)


def nothing_is_flushed_before_it_is_renamed() -> Mutant:
    def write_unflushed(path: Path, data: bytes | IO[bytes]) -> None:
        temporary = path.with_name(f"{atomic.TEMPORARY_PREFIX}mutant.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT)
        try:
            write_all(handle, data if isinstance(data, bytes) else data.read())
        finally:
            os.close(handle)
        temporary.replace(path)
        atomic.sync_folder(path.parent)

    return patched(write, "write_atomic", write_unflushed)


def a_rename_is_not_flushed() -> Mutant:
    return patched(atomic, "sync_folder", lambda _: None)


def lines_are_not_flushed() -> Mutant:
    return patched(LineWriter, "sync", lambda _: None)


def the_heartbeat_is_by_the_wall_clock() -> Mutant:
    beat = Heartbeat.beat

    def at_wall_time(self: Heartbeat, _: float, *more: Any, **others: Any) -> None:
        beat(self, time.time(), *more, **others)

    return mock.patch.multiple(Heartbeat, beat=at_wall_time, seconds_to_next=lambda *_: EVERY)


def what_is_gone_is_remembered() -> Mutant:
    return patched(Ledger, "forget", lambda *_: None)


def what_is_forgotten_is_not_counted() -> Mutant:
    return patched(ledger, "_together", lambda _, line: line)


def what_went_while_nobody_looked_is_not_missed() -> Mutant:
    begin = watcher.Watcher.__init__

    def in_the_dark(self: watcher.Watcher, *arguments: Any) -> None:
        begin(self, *arguments[:5])

    return patched(watcher.Watcher, "__init__", in_the_dark)


MUTANTS: list[Callable[[], Mutant]] = [
    no_line_for_done,
    no_look_whether_a_file_changed_while_it_was_read,
    a_change_is_known_by_size_and_mtime_alone,
    files_are_written_in_their_place,
    what_ran_counts_as_decided,
    the_line_before_the_analysis,
    done_before_it_is_published,
    what_was_committed_is_not_looked_for,
    what_failed_is_published_again_from_the_start,
    a_torn_line_stays,
    a_line_that_did_not_fit_stays,
    events_are_the_truth,
    what_is_there_is_whole,
    what_is_put_off_is_forgotten,
    what_could_not_be_noted_is_forgotten,
    a_full_disk_ends_it,
    what_changed_while_it_was_analysed_is_not_looked_at_again,
    litter_stays,
    the_generation_is_that_of_the_end,
    nothing_is_flushed_before_it_is_renamed,
    a_rename_is_not_flushed,
    lines_are_not_flushed,
    the_heartbeat_is_by_the_wall_clock,
    what_is_gone_is_remembered,
    what_is_forgotten_is_not_counted,
    what_went_while_nobody_looked_is_not_missed,
]
