"""What to explain next, over which dump. Pure: it is told what is there, and asked what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fxwatch.records.ledger import Generation
from fxwatch.watch.runs import runs_above

DUMP_GRACE = 2.0
"""Seconds that a new dump waits for the checkpoint that usually follows it, before an old one is analysed again."""


@dataclass(slots=True)
class Candidate:
    """A checkpoint of a run. `over` is the dump that it was last explained over, or tried with; `again` says that it
    waits only because there is a newer one.
    """

    path: str
    run: str
    generation: Generation
    step: int | None
    arrival: int
    state: Literal["waiting", "running", "decided", "skipped"] = "waiting"
    not_before: float = 0.0
    again: bool = False
    over: "Dump | None" = None


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
    """One analysis to make."""

    candidate: Candidate
    generation: Generation
    dump: Dump


@dataclass(slots=True)
class Plan:
    """Checkpoints and dumps of all runs; the decisions that design.md states, and nothing else.

    `every`: of a run's checkpoints the first is analysed, and every so many after it; `own` for some runs by name.
    """

    every: int
    own: Mapping[str, int] = field(default_factory=dict)
    grace: float = DUMP_GRACE
    _candidates: dict[str, Candidate] = field(default_factory=dict)
    _dumps: dict[str, Dump] = field(default_factory=dict)
    _arrivals: int = 0

    def checkpoint(
        self, path: str, run: str, generation: Generation, step: int | None, number: int | None
    ) -> Candidate:
        """A checkpoint is ready, new or overwritten: the run's `number`th, from 0, which decides whether it is skipped.

        None: it was chosen before, in an earlier life of the daemon.
        """
        skipped = number is not None and number % self.every_of(run) != 0
        found = Candidate(path, run, generation, step, self._next(), "skipped" if skipped else "waiting")
        self._candidates[path] = found
        return found

    def every_of(self, run: str) -> int:
        """Every how many checkpoints of a run are analysed."""
        return self.own.get(run, self.every)

    def remember(self, path: str, run: str, generation: Generation, step: int | None) -> None:
        """A checkpoint was decided in an earlier life of the daemon."""
        self._candidates[path] = Candidate(path, run, generation, step, self._next(), "decided")

    def dump(self, path: str, run: str, generation: Generation, step: int | None, now: float) -> None:
        """A dump is ready: the newest checkpoints of the runs that it serves are explained over it."""
        self._dumps[path] = Dump(path, run, generation, step, self._next())
        self.look_again(now + self.grace)

    def look_again(self, not_before: float) -> None:
        """Let the newest checkpoint of each run wait, where its run's dump is not what it was explained over."""
        for newest in self._newest():
            dump = self.dump_for(newest.run)
            if newest.state == "decided" and dump is not None and newest.over != dump:
                newest.state, newest.not_before, newest.again = "waiting", not_before, True

    def gone(self, path: str) -> Candidate | None:
        """A file has vanished, or is being replaced. Returns the checkpoint that it was."""
        self._dumps.pop(path, None)
        return self._candidates.pop(path, None)

    def dump_for(self, run: str) -> Dump | None:
        """The newest dump of a run, or of the nearest folder above it that has any."""
        for name in runs_above(run):
            dumps = [dump for dump in self._dumps.values() if dump.run == name]
            if dumps:
                return max(dumps, key=lambda dump: (-1 if dump.step is None else dump.step, dump.arrival))
        return None

    def take(self, now: float) -> Work | None:
        """The next analysis, of the run that has waited longest, its lowest step first; it is running from now on."""
        self._forget_rechecks_overtaken()
        ready = [one for one in self._candidates.values() if one.state == "waiting" and one.not_before <= now]
        ready = [one for one in ready if self.dump_for(one.run) is not None]
        if not ready:
            return None
        run = min(ready, key=lambda one: one.arrival).run
        chosen = _oldest([one for one in ready if one.run == run])
        dump = self.dump_for(run)
        if dump is None:
            return None
        chosen.state, chosen.over, chosen.again = "running", dump, False
        return Work(chosen, chosen.generation, dump)

    def finished(self, work: Work, now: float, step: int | None = None) -> None:
        """An analysis has ended, well or not; the checkpoint's own step is known where it was read."""
        if self._candidates.get(work.candidate.path) is work.candidate:
            work.candidate.state = "decided"
            work.candidate.step = work.candidate.step if step is None else step
            self.look_again(now)

    def waiting(self) -> int:
        """How many analyses are waiting for a worker."""
        return sum(one.state == "waiting" and self.dump_for(one.run) is not None for one in self._candidates.values())

    def without_states(self) -> list[Candidate]:
        """Checkpoints that cannot be explained, as there is no dump for their run."""
        return [one for one in self._candidates.values() if one.state == "waiting" and self.dump_for(one.run) is None]

    def next_at(self) -> float | None:
        """When the next analysis that is put off may begin."""
        return min((one.not_before for one in self._candidates.values() if one.state == "waiting"), default=None)

    def _newest(self) -> Iterator[Candidate]:
        """The newest checkpoint of each run, among those that are not skipped."""
        by_run: dict[str, Candidate] = {}
        for one in sorted(self._candidates.values(), key=lambda one: one.arrival):
            before = by_run.get(one.run)
            older = before is not None and None not in {one.step, before.step} and _step(one) < _step(before)
            if one.state != "skipped" and not older:
                by_run[one.run] = one
        return iter(by_run.values())

    def _forget_rechecks_overtaken(self) -> None:
        """A checkpoint that waits only for a newer dump gives way to a newer checkpoint."""
        newest = {one.run: one for one in self._newest()}
        for one in self._candidates.values():
            if one.state == "waiting" and one.again and newest[one.run] is not one:
                one.state = "decided"

    def _next(self) -> int:
        self._arrivals += 1
        return self._arrivals


def _oldest(candidates: list[Candidate]) -> Candidate:
    """The one of lowest step; by arrival where not all have a step."""
    if any(one.step is None for one in candidates):
        return min(candidates, key=lambda one: one.arrival)
    return min(candidates, key=lambda one: (_step(one), one.arrival))


def _step(one: Candidate) -> int:
    return -1 if one.step is None else one.step
