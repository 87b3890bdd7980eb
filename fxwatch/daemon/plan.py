"""What to explain next, over which dump. Pure: it is told what is there, and asked what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fxwatch.daemon.backlog import next_place, spared
from fxwatch.records.ledger import Generation
from fxwatch.watch.runs import runs_above

DUMP_GRACE = 2.0
"""Seconds that a new dump waits for the checkpoint that usually follows it, before an old one is analysed again."""
MOST_WAITING = 64
"""Checkpoints of a run that wait for their turn; what is more is put aside until nothing waits."""
_COPIED_TOGETHER_NS = 10_000_000_000
"""Files that were written within so short a time may have been copied, in any order."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A checkpoint of a run. `over` is the dump that it was last explained over, or tried with; `again` says that it
    waits only because there is a newer one; `aside`: it waits until nothing else does. `level` is its step, or, while
    that is not known, the highest of its run when it came.
    """

    path: str
    run: str
    generation: Generation
    step: int | None
    arrival: int
    level: int
    state: Literal["waiting", "aside", "running", "decided", "skipped"] = "waiting"
    explained: bool = False
    not_before: float = 0.0
    again: bool = False
    over: "Dump | None" = None

    @property
    def key(self) -> tuple[int, int]:
        """Checkpoints of a run stand in this order."""
        return self.level, self.arrival


@dataclass(frozen=True, slots=True)
class Dump:
    """A complete dump of a run."""

    path: str
    run: str
    generation: Generation
    step: int | None
    arrival: int


@dataclass(frozen=True, slots=True)
class Work:
    """One analysis to make. `late`: a later checkpoint of the run was explained, or begun, before."""

    candidate: Candidate
    generation: Generation
    dump: Dump
    late: bool


@dataclass(slots=True)
class _Run:
    """The files of a run. `rotates`: checkpoints of it have vanished, so that others may."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    dumps: dict[str, Dump] = field(default_factory=dict)
    waiting: dict[str, Candidate] = field(default_factory=dict)
    aside: dict[str, Candidate] = field(default_factory=dict)
    newest_dump: Dump | None = None
    highest: int = -1
    rotates: bool = False

    def put(self, one: Candidate, state: Literal["waiting", "aside", "running", "decided", "skipped"]) -> None:
        """Let a candidate be in a state."""
        self.waiting.pop(one.path, None)
        self.aside.pop(one.path, None)
        one.state = state
        self.candidates[one.path] = one
        if state == "waiting":
            self.waiting[one.path] = one
        elif state == "aside":
            self.aside[one.path] = one

    def has(self, one: Candidate) -> bool:
        """Whether it is still there, and was not overwritten."""
        return self.candidates.get(one.path) is one

    def newest(self) -> Candidate | None:
        """The newest checkpoint, among those that are not skipped: of those that were written last the furthest, as
        training may have begun anew, at a lower step.
        """
        chosen = [one for one in self.candidates.values() if one.state != "skipped"]
        last = max((one.generation.mtime_ns for one in chosen), default=0) - _COPIED_TOGETHER_NS
        return max((one for one in chosen if one.generation.mtime_ns >= last), key=lambda one: one.key, default=None)

    def places(self) -> tuple[list[Candidate], list[int], list[int]]:
        """Checkpoints in the order of training, and the places of those that wait and of those that do not."""
        ordered = sorted((one for one in self.candidates.values() if one.state != "skipped"), key=lambda one: one.key)
        waiting = [place for place, one in enumerate(ordered) if one.state == "waiting"]
        taken = [place for place, one in enumerate(ordered) if one.state in {"running", "decided"}]
        return ordered, waiting, taken

    def is_late(self, one: Candidate) -> bool:
        """Whether a later checkpoint was explained or begun, and one that was not written before this one: training may
        have begun anew, at a lower step.
        """
        earliest = one.generation.mtime_ns - _COPIED_TOGETHER_NS
        return any(
            (other.explained or other.state == "running") and other.key > one.key and other is not one
            for other in self.candidates.values()
            if other.generation.mtime_ns >= earliest
        )

    def set_newest_dump(self) -> None:
        """Find the newest dump anew."""
        order = (dump for dump in self.dumps.values())
        self.newest_dump = max(
            order, key=lambda dump: (-1 if dump.step is None else dump.step, dump.arrival), default=None
        )


@dataclass(slots=True)
class Plan:
    """Checkpoints and dumps of all runs; the decisions that design.md states, and those of `backlog`.

    `every`: of a run's checkpoints the first is analysed, and every so many after it; `own`: for some runs, by name.
    `most_waiting`: of a run so many wait, the newest first and then an even spread, and the others are put aside; None:
    all wait, the oldest first.
    """

    every: int
    own: Mapping[str, int] = field(default_factory=dict)
    grace: float = DUMP_GRACE
    most_waiting: int | None = MOST_WAITING
    _runs: dict[str, _Run] = field(default_factory=dict)
    _run_of: dict[str, str] = field(default_factory=dict)
    _arrivals: int = 0

    def checkpoint(
        self, path: str, run: str, generation: Generation, step: int | None, number: int | None
    ) -> Candidate:
        """A checkpoint is ready, new or overwritten: the run's `number`th, from 0, which decides whether it is skipped.

        None: it was chosen before, in an earlier life of the daemon.
        """
        skipped = number is not None and number % self.every_of(run) != 0
        found = self._candidate(path, run, generation, step)
        self._runs[run].put(found, "skipped" if skipped else "waiting")
        return found

    def every_of(self, run: str) -> int:
        """Every how many checkpoints of a run are analysed."""
        return self.own.get(run, self.every)

    def remember(self, path: str, run: str, generation: Generation, step: int | None, *, aside: bool) -> None:
        """A checkpoint was explained in an earlier life of the daemon, or put `aside`."""
        found = self._candidate(path, run, generation, step)
        found.explained = not aside
        self._runs[run].put(found, "aside" if aside else "decided")

    def dump(self, path: str, run: str, generation: Generation, step: int | None, now: float) -> None:
        """A dump is ready: the newest checkpoints of the runs that it serves are explained over it."""
        found = self._runs.setdefault(run, _Run())
        self._run_of[path] = run
        found.dumps[path] = Dump(path, run, generation, step, self._next())
        found.set_newest_dump()
        self.look_again(now + self.grace)

    def look_again(self, not_before: float) -> None:
        """Let the newest checkpoint of each run wait, where its run's dump is not what it was explained over."""
        for name in self._runs:
            self._look_again_at(name, not_before)

    def gone(self, path: str, *, vanished: bool = False) -> Candidate | None:
        """A file is being replaced, or has `vanished`. Returns the checkpoint that it was."""
        run = self._runs.get(self._run_of.pop(path, ""))
        if run is None:
            return None
        if run.dumps.pop(path, None) is not None:
            run.set_newest_dump()
        found = run.candidates.pop(path, None)
        run.waiting.pop(path, None)
        run.aside.pop(path, None)
        run.rotates = run.rotates or (vanished and found is not None and bool(run.candidates))
        return found

    def dump_for(self, run: str) -> Dump | None:
        """The newest dump of a run, or of the nearest folder above it that has any."""
        above = (self._runs[name] for name in runs_above(run) if name in self._runs)
        return next((found.newest_dump for found in above if found.newest_dump is not None), None)

    def take(self, now: float) -> Work | None:
        """The next analysis; it is running from now on. Of a run that rotates its files, else of that which has waited
        longest; where nothing waits, the newest that was put aside.
        """
        self._forget_rechecks_overtaken()
        ready = [
            (not run.rotates, min(one.arrival for one in run.waiting.values() if one.not_before <= now), run)
            for name, run in self._runs.items()
            if any(one.not_before <= now for one in run.waiting.values()) and self.dump_for(name) is not None
        ]
        if ready:
            run = min(ready, key=lambda found: found[:2])[2]
            return self._begin(run, self._next_of(run, now))
        served = (run for name, run in self._runs.items() if run.aside and self.dump_for(name) is not None)
        newest = max((one for run in served for one in run.aside.values()), key=lambda one: one.key, default=None)
        return self._begin(self._runs[newest.run], newest) if newest is not None else None

    def put_aside(self) -> list[Candidate]:
        """Put aside what is too much, and can best be spared. Returns it."""
        if self.most_waiting is None:
            return []
        found = []
        for run in self._runs.values():
            if len(run.waiting) > self.most_waiting:
                ordered, waiting, taken = run.places()
                found += [ordered[place] for place in spared(waiting, taken, self.most_waiting)]
        for one in found:
            self._runs[one.run].put(one, "aside")
        return found

    def finished(self, work: Work, now: float, step: int | None = None, *, explained: bool) -> None:
        """An analysis has ended, well or not; the checkpoint's own step is known where it was read."""
        one, run = work.candidate, self._runs[work.candidate.run]
        if run.has(one):
            one.explained = one.explained or explained
            if step is not None:
                one.step, one.level = step, step
                run.highest = max(run.highest, step)
            run.put(one, "decided")
            self._look_again_at(one.run, now)

    def give_up(self, work: Work) -> None:
        """An analysis has ended, and the checkpoint is not tried again before it changes, be the dump a newer one."""
        if self._runs[work.candidate.run].has(work.candidate):
            self.gone(work.candidate.path)

    def try_later(self, work: Work, not_before: float) -> None:
        """An analysis came to nothing, through no fault of its files."""
        one, run = work.candidate, self._runs[work.candidate.run]
        if run.has(one):
            run.put(one, "waiting")
            one.not_before = not_before

    def waiting(self) -> int:
        """How many analyses are waiting for a worker."""
        return sum(len(run.waiting) for name, run in self._runs.items() if self.dump_for(name) is not None)

    def aside(self) -> int:
        """How many checkpoints were put aside."""
        return sum(len(run.aside) for run in self._runs.values())

    def left(self) -> bool:
        """Whether anything is still to be explained."""
        return self.waiting() > 0 or any(run.aside for name, run in self._runs.items() if self.dump_for(name))

    def without_states(self) -> list[Candidate]:
        """Checkpoints that cannot be explained, as there is no dump for their run."""
        lacking = (run for name, run in self._runs.items() if run.waiting and self.dump_for(name) is None)
        return [one for run in lacking for one in run.waiting.values()]

    def next_at(self, now: float) -> float | None:
        """When the next analysis that is put off may begin."""
        put_off = (one.not_before for run in self._runs.values() for one in run.waiting.values())
        return min((moment for moment in put_off if moment > now), default=None)

    def _candidate(self, path: str, run: str, generation: Generation, step: int | None) -> Candidate:
        found = self._runs.setdefault(run, _Run())
        self._run_of[path] = run
        found.highest = max(found.highest, -1 if step is None else step)
        return Candidate(path, run, generation, step, self._next(), found.highest if step is None else step)

    def _look_again_at(self, name: str, not_before: float) -> None:
        run = self._runs[name]
        newest, dump = run.newest(), self.dump_for(name)
        if newest is not None and newest.state == "decided" and dump is not None and newest.over != dump:
            run.put(newest, "waiting")
            newest.not_before, newest.again = not_before, True

    def _next_of(self, run: _Run, now: float) -> Candidate:
        ordered, waiting, taken = run.places()
        ready = [place for place in waiting if ordered[place].not_before <= now]
        return ordered[ready[0] if self.most_waiting is None else next_place(ready, taken)]

    def _begin(self, run: _Run, chosen: Candidate) -> Work | None:
        dump = self.dump_for(chosen.run)
        if dump is None:
            return None
        late = run.is_late(chosen)
        run.put(chosen, "running")
        chosen.over, chosen.again = dump, False
        return Work(chosen, chosen.generation, dump, late)

    def _forget_rechecks_overtaken(self) -> None:
        """A checkpoint that waits only for a newer dump gives way to a newer checkpoint."""
        for run in self._runs.values():
            for one in [one for one in run.waiting.values() if one.again]:
                if run.newest() is not one:
                    run.put(one, "decided")

    def _next(self) -> int:
        self._arrivals += 1
        return self._arrivals
