"""The daemon: look, plan, explain, publish, beat; until it is told to stop, or, with `once`, until nothing is left."""

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, NamedTuple

from fxwatch.config import Config
from fxwatch.daemon.drawings import Drawings
from fxwatch.daemon.heartbeat import Heartbeat
from fxwatch.daemon.intake import Intake
from fxwatch.daemon.jobs import Answer, DrawJob, Drawn, ExplainJob, Trouble, do_job, parse_answer
from fxwatch.daemon.narrator import Narrator
from fxwatch.daemon.outcome import Publisher
from fxwatch.daemon.plan import DUMP_GRACE, Plan, Work
from fxwatch.daemon.pool import JobError, ProcessPerJob
from fxwatch.daemon.recordings import Recordings
from fxwatch.records.analysis import Analysis
from fxwatch.records.base import Verdict, worst
from fxwatch.records.ledger import FileState
from fxwatch.records.recipe import recipe_digest
from fxwatch.store.layout import Store
from fxwatch.store.ledger import Ledger
from fxwatch.store.lock import Lock
from fxwatch.watch import Hints, Sighting, Watcher

PATIENCE_ONCE = 3.0
PATIENCE_AT_THE_END = 10.0
LATEST_DRAWING = 30.0
_CAME_TO_NOTHING: tuple[FileState, ...] = ("refused", "unsupported", "incomplete")


class Summary(NamedTuple):
    """What a daemon leaves: `others` counts checkpoints that came to nothing, by state; `verdict` is the worst."""

    checkpoints: int
    analysed: int
    others: Mapping[str, int]
    without_states: int
    verdict: Verdict


class Daemon:
    """Watches one folder. `once`: analyse what is complete now, and end."""

    def __init__(
        self, watched: Path, config: Config, store: Store, lock: Lock, narrator: Narrator, *, once: bool
    ) -> None:
        self._watched, self._config, self._store, self._lock = watched, config, store, lock
        self._narrator, self._once = narrator, once
        self.displaced = False
        self._wake = threading.Event()
        self._stopping = False
        self._ledger = Ledger(store.ledger)
        every = {run: settings.analysis.every for run, settings in config.runs.items()}
        self._plan = Plan(config.analysis.every, every, grace=0.0 if once else DUMP_GRACE)
        self._intake = Intake(str(watched), self._plan, self._ledger, self._recipe, narrator)
        self._publisher = Publisher(store, self._ledger, narrator, self._recipe)
        self._hints = None if once else self._listen()
        self._watcher = Watcher(str(watched), self._hints, self._intake.remember(), time.monotonic)
        self._pool = ProcessPerJob(config.daemon.workers, config.daemon.threads, config.model, self._on_stage)
        self._explaining: dict[Future[str], Work] = {}
        self._drawing: dict[Future[str], DrawJob] = {}
        self._drawings = Drawings(store, lambda run: config.for_run(run).thresholds, self._publisher.runs.values())
        self._drawn_at = self._busy_at = time.monotonic()
        self._stage = ""
        self._heartbeat = Heartbeat(store, watched)
        self._recordings = Recordings(store, watched, lambda run: config.for_run(run).thresholds.gradient, narrator.say)
        for line in self._ledger.newest():
            self._recordings.seen(line.path, line.kind)
        self._trouble: str | None = None
        self._store_is_full = False
        self._sightings: deque[Sighting] = deque()
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
            verdict=worst(*(run.history[-1].verdict for run in self._publisher.runs.values() if run.history)),
        )

    def stop(self) -> None:
        """End soon. Safe to call from a signal handler."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        """Watch until stopped, or, with `once`, until nothing is left to do."""
        self._pool.warm_up()
        while not self._stopping:
            if self._lock.displaced():
                self._narrator.say(f"{self._store.root} was removed or replaced; beginning anew")
                self.displaced = True
                break
            try:
                self._turn()
                done = self._once and self._all_done(time.monotonic())
            except OSError as error:
                done = self._store_trouble(error)
            if done:
                for sighting in self._watcher.wait_is_over():
                    self._intake.take(sighting, time.monotonic())
                break
            self._wake.wait(self._seconds_to_wait())
            self._wake.clear()
        self._end()

    def _turn(self) -> None:
        self._look()
        self._collect()
        self._dispatch()
        self._recordings.look(time.monotonic())
        self._beat("watching")
        self._store_is_full = False

    def _store_trouble(self, error: OSError) -> bool:
        """The store cannot be written: what is finished waits, and is written when it can be. With `once`: give up."""
        if not self._store_is_full:
            self._narrator.say(f"{self._store.root} cannot be written ({error.strerror}); what is done waits for it")
        self._store_is_full = True
        return self._once

    def _listen(self) -> Hints | None:
        hints = Hints(str(self._watched), str(self._store.root.absolute()), self._wake.set)
        if hints.start():
            return hints
        self._narrator.say("no events come from this folder (see fs.inotify.max_user_watches); it is polled instead")
        return None

    def _look(self) -> None:
        self._sightings.extend(self._watcher.look())
        while self._sightings:
            self._intake.take(self._sightings[0], time.monotonic())
            self._recordings.seen(self._sightings[0].path, self._sightings[0].kind)
            self._sightings.popleft()  # only now: what could not be noted is not forgotten
        if not self._watcher.settling("states"):
            self._intake.tell_without_states()
        if self._watcher.trouble and self._watcher.trouble != self._trouble:
            self._narrator.say(self._watcher.trouble)
        self._trouble = self._watcher.trouble

    def _collect(self) -> None:
        """Take in what workers have finished."""
        for future in [future for future in self._drawing if future.done()]:
            job, answer = self._drawing.pop(future), _answer(future)
            if not isinstance(answer, Drawn):
                why = answer.reason if isinstance(answer, Trouble) else "its worker answered for something else"
                self._narrator.say(f"the report of {job.analysis} was not drawn: {why}")
        for future in [future for future in self._explaining if future.done()]:
            work = self._explaining[future]
            outcome = self._publisher.publish(work, _answer(future))
            del self._explaining[future]
            if outcome.published is not None:
                self._published(outcome.published)
            self._failed += outcome.failed
            if outcome.again is not None:
                self._watcher.again(outcome.again)
            if outcome.gone is not None:
                self._plan.gone(outcome.gone)
            step = outcome.published.checkpoint.step if outcome.published is not None else None
            self._plan.finished(work, time.monotonic(), step)
        self._show_progress()

    def _published(self, analysis: Analysis) -> None:
        self._analysed += 1
        self._drawings.add(analysis.run, analysis.id)

    def _dispatch(self) -> None:
        """Fill the free places: with analyses first, though no report waits longer than half a minute."""
        while len(self._explaining) + len(self._drawing) < self._config.daemon.workers:
            late = len(self._drawings) > 0 and time.monotonic() - self._drawn_at > LATEST_DRAWING
            work = None if late else self._plan.take(time.monotonic())
            if work is not None:
                self._explain(work)
            elif (drawing := self._drawings.take()) is not None:
                self._drawing[self._submit(drawing)] = drawing
                self._drawn_at = time.monotonic()
            else:
                return

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
        )
        self._ledger.note(
            one.path, "running", kind="checkpoint", run=one.run, generation=work.generation, step=one.step
        )
        self._explaining[self._submit(job)] = work

    def _submit(self, job: ExplainJob | DrawJob) -> Future[str]:
        future: Future[str] = self._pool.submit(do_job, job.model_dump_json())
        future.add_done_callback(lambda _: self._wake.set())
        return future

    def _on_stage(self, _args: tuple[Any, ...], stage: str) -> None:
        self._stage = stage
        self._show_progress()

    def _show_progress(self) -> None:
        running = [work.candidate.path for work in self._explaining.values()]
        what = f"{running[0]}: {self._stage}" if running else "drawing reports" if self._drawing else ""
        left = len(running) + self._plan.waiting()
        self._narrator.progress(what, self._analysed, self._analysed + left)

    def _beat(self, state: Any) -> None:
        self._heartbeat.beat(
            time.monotonic(),
            state,
            self._watcher.mode,
            scan_seconds=self._watcher.scan_seconds,
            files=self._ledger.counts(),
            waiting=self._plan.waiting(),
            running=[work.candidate.path for work in self._explaining.values()],
            trouble=self._trouble,
            runs=self._publisher.runs,
        )

    def _all_done(self, now: float) -> bool:
        """Whether nothing is left, or what still settles has had its time since anything was done."""
        if self._explaining or self._drawing or len(self._drawings) or self._plan.waiting():
            self._busy_at = now
            return False
        return not self._watcher.settling() or now - self._busy_at > PATIENCE_ONCE

    def _seconds_to_wait(self) -> float:
        now = time.monotonic()
        next_at = self._plan.next_at()
        put_off = [max(0.1, next_at - now)] if next_at is not None else []
        seconds = min(self._watcher.seconds_to_next(), self._heartbeat.seconds_to_next(now), *put_off)
        return max(seconds, 1.0) if self._store_is_full else seconds

    def _end(self) -> None:
        """Finish what can be finished soon, and leave the rest for the next start."""
        if self._hints is not None:
            self._hints.stop()
        if not self.displaced:
            self._finish()
        self._pool.end()
        self._recordings.close()
        self._publisher.close()
        self._ledger.close()

    def _finish(self) -> None:
        self._drawing |= {self._submit(job): job for job in self._drawings.take_pages(self._config.daemon.workers)}
        wait([*self._explaining, *self._drawing], PATIENCE_AT_THE_END)
        try:
            self._collect_finished_only()
            self._recordings.finish()
            self._beat("stopped")
        except OSError as error:
            self._store_trouble(error)

    def _collect_finished_only(self) -> None:
        for future in [*self._explaining, *self._drawing]:
            if future.cancelled() or (future.done() and future.exception() is not None):
                self._explaining.pop(future, None)
                self._drawing.pop(future, None)
        self._collect()


def _answer(future: Future[str]) -> Answer:
    """A worker's answer, or what can be said of a worker that gave none."""
    try:
        return parse_answer(future.result())
    except JobError as error:
        return Trouble(outcome="failed", reason=str(error), crashed=True)
    except ValueError:
        return Trouble(outcome="failed", reason="its worker's answer makes no sense")
