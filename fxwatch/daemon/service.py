"""The daemon: look, plan, explain, publish, beat; until it is told to stop, or, with `once`, until nothing is left."""

import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from fxwatch.config import Config
from fxwatch.daemon.cluster import Cluster
from fxwatch.daemon.drawings import Drawings
from fxwatch.daemon.heartbeat import Heartbeat
from fxwatch.daemon.intake import Intake
from fxwatch.daemon.jobs import ExplainJob, ReportJob
from fxwatch.daemon.narrator import Narrator
from fxwatch.daemon.notify import Notify
from fxwatch.daemon.outcome import Publisher
from fxwatch.daemon.places import Places, Pool
from fxwatch.daemon.plan import Plan, Work
from fxwatch.daemon.pool import ProcessPerJob, scratch_folder
from fxwatch.daemon.pressure import Pressure
from fxwatch.daemon.recordings import Recordings
from fxwatch.daemon.run_reports import RunReports
from fxwatch.daemon.troubles import Troubles
from fxwatch.mounts import network
from fxwatch.records.analysis import Analysis
from fxwatch.records.base import Verdict, worst
from fxwatch.records.ledger import FileState
from fxwatch.records.recipe import recipe_digest
from fxwatch.store.layout import Store
from fxwatch.store.ledger import Ledger
from fxwatch.store.lock import Lock
from fxwatch.watch import SETTLE, SETTLE_OVER_A_NETWORK, Hints, Listener, Sighting, Watcher
from fxwatch.watch.lookout import Lookout

PATIENCE_ONCE = 3.0
PATIENCE_AT_THE_END = 8.0
PATIENCE_TO_LOOK = 5.0
LATEST_DRAWING = 30.0
RESERVE = 32 * 1024 * 1024
"""Bytes that must be free where results are written, before another analysis is begun."""
TRY_AGAIN = 5.0
_CAME_TO_NOTHING: tuple[FileState, ...] = ("refused", "unsupported", "incomplete", "quarantined", "skipped")


class Summary(NamedTuple):
    """What a daemon leaves: `others` counts checkpoints that came to nothing, by state; `verdict` is the worst."""

    checkpoints: int
    analysed: int
    others: Mapping[str, int]
    without_states: int
    verdict: Verdict


class Daemon:
    """Watches one folder. `once`: analyse what is complete now, and end.

    `pool` and `clock`, of monotonic seconds, are those of this machine unless told. Raises OSError where the store
    cannot be written, StoreError where a newer fxwatch has written to it.
    """

    def __init__(
        self,
        watched: Path,
        config: Config,
        store: Store,
        lock: Lock,
        narrator: Narrator,
        *,
        once: bool,
        pool: Pool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched, self._config, self._store, self._lock = watched, config, store, lock
        self._narrator, self._once, self._clock = narrator, once, clock
        self.displaced = False
        self._wake = threading.Event()
        self._stopping = False
        self._ledger = Ledger(store.ledger)
        own = {run: settings.analysis.every for run, settings in config.runs.items()}
        every = config.analysis.every
        self._plan = Plan(every, own, grace=0.0, most_waiting=None) if once else Plan(every, own)
        self._intake = Intake(self._plan, self._ledger, self._recipe, narrator)
        self._publisher = Publisher(store, self._ledger, narrator, self._recipe)
        for words in (self._ledger.words, *(writer.words for writer in self._publisher.runs.values())):
            if words is not None:
                narrator.say(words)
        settle = SETTLE if network(watched) is None else SETTLE_OVER_A_NETWORK
        earlier = {one.path: one.generation for one in self._ledger.newest() if one.generation is not None}
        known = self._intake.remember()
        self._watcher = Watcher(str(watched), self._listener(), known, clock, settle, earlier)
        self._lookout = Lookout(self._watcher)
        self._places = Places(
            pool
            or ProcessPerJob(
                config.daemon.workers, config.daemon.threads, config.model, scratch_folder(), self._on_stage
            ),
            Cluster(config, self._on_stage) if config.daemon.executor == "dask" else None,
            config.daemon.workers,
            self._wake.set,
        )
        self._drawings = Drawings(store, self._publisher.runs.values())
        self._run_reports = RunReports(store, config.report)
        self._drawn_at = self._busy_at = clock()
        self._stage = ""
        self._heartbeat = Heartbeat(store, watched, config.wandb.sending())
        self._troubles = Troubles(narrator)
        self._recordings = Recordings(store, watched, lambda run: config.for_run(run).thresholds.gradient, narrator.say)
        for run in self._ledger.runs():
            self._recordings.of_run(run)
        for line in self._ledger.newest():
            self._recordings.seen(line.path, line.kind)
        self._notify = Notify()
        self._pressure = Pressure(100.0 if once else config.daemon.cpu_pressure)
        self._sightings: deque[Sighting] = deque()
        self._look_again: list[str] = []
        self._analysed = 0
        self._failed = 0

    def _recipe(self, run: str) -> str:
        """The digest of a run's settings under which decisions hold."""
        config = self._config.for_run(run)
        return recipe_digest(config.model, config.inputs, config.analysis)[:8]

    def summary(self) -> Summary:
        """What came of it."""
        states = Counter(line.state for line in self._ledger.newest() if line.kind == "checkpoint")
        return Summary(
            checkpoints=self._watcher.checkpoints(),
            analysed=self._analysed,
            others={"failed": self._failed, **{state: states[state] for state in _CAME_TO_NOTHING}},
            without_states=len(self._plan.without_states()),
            verdict=worst(*(run.newest.verdict for run in self._publisher.runs.values() if run.newest is not None)),
        )

    def stop(self) -> None:
        """End soon. Safe to call from a signal handler."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        """Watch until stopped, or, with `once`, until nothing is left to do."""
        self._places.warm_up()
        while not self._stopping:
            if self._lock.displaced():
                self._narrator.say(f"{self._store.root} was removed or replaced; beginning anew")
                self.displaced = True
                break
            done = self.turn()
            self._notify.alive(self._in_words(), ready=self._watcher.scan_seconds is not None)
            if done:
                for sighting in self._watcher.wait_is_over():
                    self._intake.take(sighting, self._clock())
                break
            self._wake.wait(self.seconds_to_next())
            self._wake.clear()
        self.end()

    def turn(self) -> bool:
        """Look, take in what is finished, begin what can be begun, and say so. Whether that was all, with `once`."""
        try:
            self._look()
            self._collect()
            self._dispatch()
            self._recordings.look(self._clock())
            self._ledger.sync()
            self._beat("watching")
        except OSError as error:
            self._troubles.tell(
                "store", f"{self._store.root} cannot be written ({error.strerror or error}); what is done waits"
            )
            return self._once
        self._troubles.tell("store", None)
        self._troubles.tell("cluster", self._places.trouble)
        return self._once and self._all_done(self._clock())

    def _listener(self) -> Listener:
        kind = network(self._watched)
        if self._once or kind is not None:
            why = f"{kind} tells nothing of what other machines write, so it is looked at often" if kind else None
            return Listener(None, why, self._clock)
        return Listener(Hints(str(self._watched), str(self._store.root.absolute()), self._wake.set), None, self._clock)

    def _look(self) -> None:
        began = datetime.now(UTC)
        sightings = self._lookout.look(PATIENCE_TO_LOOK)
        if sightings is None:
            if "silence" not in self._troubles:
                when = f"{began:%Y-%m-%d %H:%M:%S} UTC"
                self._troubles.tell(
                    "silence", f"{self._watched} has not answered since {when}; is its file system reachable?"
                )
            return
        self._troubles.tell("silence", None)
        self._sightings.extend(sightings)
        while self._look_again:
            self._watcher.again(self._look_again.pop())
        while self._sightings:
            self._intake.take(self._sightings[0], self._clock())
            self._recordings.seen(self._sightings[0].path, self._sightings[0].kind)
            self._sightings.popleft()  # only now: what could not be noted is not forgotten
        self._intake.put_aside()
        if not self._watcher.settling("states"):
            self._intake.tell_without_states(self._troubles)
        self._troubles.tell("folder", self._watcher.trouble)

    def _collect(self) -> None:
        """Take in what workers have finished."""
        for job, answer, files in self._places.drawn():
            self._publisher.put_pages(job, answer, files)
        for work, answer, files in self._places.explained():
            outcome = self._publisher.publish(work, answer, files)
            self._places.clear(work)
            if outcome.published is not None:
                self._published(outcome.published)
            self._failed += outcome.failed
            if outcome.put_off is not None:
                self._troubles.tell("worker", outcome.put_off)
                self._plan.try_later(work, self._clock() + TRY_AGAIN)
                continue
            self._troubles.tell("worker", None)
            if outcome.again is not None:
                self._look_again.append(outcome.again)
            if outcome.gone is not None:
                self._plan.gone(outcome.gone, vanished=True)
            if work.dump.path in {outcome.again, outcome.gone}:  # the checkpoint is not to blame
                self._plan.gone(work.dump.path)
                self._plan.try_later(work, self._clock() + TRY_AGAIN)
                continue
            if outcome.given_up:
                self._plan.give_up(work)
                continue
            step = outcome.published.checkpoint.step if outcome.published is not None else None
            self._plan.finished(work, self._clock(), step, explained=outcome.explained)
        self._show_progress()

    def _published(self, analysis: Analysis) -> None:
        self._analysed += 1
        newest = self._publisher.runs[analysis.run].newest
        self._drawings.add(analysis.run, analysis.id, newest.id if newest is not None else analysis.id)

    def _dispatch(self) -> None:
        """Fill the free places: with analyses first, though no report waits longer than half a minute."""
        if self._is_put_off():
            return
        while self._places.free > 0:
            late = len(self._drawings) > 0 and self._clock() - self._drawn_at > LATEST_DRAWING
            work = None if late else self._plan.take(self._clock())
            if work is not None:
                self._explain(work)
                self._pressure.begun()
            elif (drawing := self._run_report() or self._drawings.take()) is not None:
                self._places.draw(drawing)
                self._drawn_at = self._clock()
            else:
                return

    def _run_report(self) -> ReportJob | None:
        return self._run_reports.take(self._publisher.runs, self._clock())

    def _is_put_off(self) -> bool:
        """Whether nothing begins now, as the disk is full or the machine under pressure."""
        free = shutil.disk_usage(self._store.root).free
        full = f"{self._store.root} has only {free >> 20} MB left; analyses wait until there is more"
        self._troubles.tell("disk", full if free < RESERVE else None)
        anything = self._plan.waiting() or len(self._drawings)
        self._troubles.tell("pressure", self._pressure.reason(self._clock()) if anything else None)
        return "disk" in self._troubles or "pressure" in self._troubles

    def _in_words(self) -> str:
        return f"{self._troubles.in_words() or 'watching'}; {self._analysed} analysed, {self._plan.waiting()} waiting"

    def _explain(self, work: Work) -> None:
        one = work.candidate
        job = ExplainJob(
            checkpoint=str(self._watched / one.path),
            checkpoint_name=one.path,
            states=str(self._watched / work.dump.path),
            states_name=work.dump.path,
            run=one.run,
            store=str(self._store.root),
            config=self._config.for_run(one.run),
            attempt=self._publisher.attempt(one.run),
            late=work.late,
        )
        try:
            self._ledger.note(
                one.path, "running", kind="checkpoint", run=one.run, generation=work.generation, step=one.step
            )
        except OSError:  # the disk is full: it has not begun, and is not to be forgotten
            self._plan.try_later(work, self._clock() + TRY_AGAIN)
            raise
        self._places.explain(job, work)

    def _on_stage(self, _args: tuple[Any, ...], stage: str) -> None:
        self._stage = stage
        self._show_progress()

    def _show_progress(self) -> None:
        running = [work.candidate.path for work in self._places.explaining]
        what = f"{running[0]}: {self._stage}" if running else "drawing reports" if len(self._places) else ""
        left = len(running) + self._plan.waiting()
        self._narrator.progress(what, self._analysed, self._analysed + left)

    def _beat(self, state: Any) -> None:
        self._heartbeat.beat(
            self._clock(),
            state,
            self._watcher.mode,
            scan_seconds=self._watcher.scan_seconds,
            files=self._ledger.counts(),
            waiting=self._plan.waiting(),
            backlog=self._plan.aside(),
            lost_events=self._watcher.losses,
            running=[work.candidate.path for work in self._places.explaining],
            trouble=self._troubles.in_words(),
            runs=self._publisher.runs,
        )

    def _all_done(self, now: float) -> bool:
        """Whether nothing is left, or what still settles has had its time since anything was done."""
        if len(self._places) or len(self._drawings) or self._plan.left() or self._look_again:
            self._busy_at = now
            return False
        return not self._watcher.settling() or now - self._busy_at > PATIENCE_ONCE

    def seconds_to_next(self) -> float:
        """How long nothing has to be done, unless something wakes it."""
        now = self._clock()
        next_at = self._plan.next_at(now)
        seconds = self._heartbeat.seconds_to_next(now)
        if next_at is not None:
            seconds = min(seconds, next_at - now)
        if not self._lookout.away:
            seconds = min(seconds, self._watcher.seconds_to_next())
        return max(seconds, 1.0 if "store" in self._troubles else 0.0)

    def end(self) -> None:
        """Finish what can be finished soon, and leave the rest for the next start."""
        self._notify.stopping()
        self._lookout.end()
        self._watcher.stop()
        if not self.displaced:
            self._finish()
        self._places.end()
        self._recordings.close()
        self._publisher.close()
        self._ledger.close()

    def _finish(self) -> None:
        for page in self._drawings.take_pages(self._config.daemon.workers):
            self._places.draw(page)
        self._places.finish(PATIENCE_AT_THE_END)
        try:
            self._collect()
            self._recordings.finish()
            for work in self._places.explaining:
                self._intake.interrupted(work.candidate)
            self._ledger.sync()
            self._beat("stopped")
        except OSError as error:
            self._troubles.tell("store", f"{self._store.root} cannot be written ({error.strerror or error})")
