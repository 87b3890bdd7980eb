"""From a worker's answer to the store, the ledger and the console."""

import errno
from collections import Counter
from dataclasses import dataclass

from fxwatch.daemon.artefacts import places_of_analysis, places_of_pages
from fxwatch.daemon.intake import Recipe
from fxwatch.daemon.jobs import Answer, DrawJob, Drawn, Duplicate, Explained, ReportJob, Trouble
from fxwatch.daemon.narrator import Narrator
from fxwatch.daemon.parcel import Files
from fxwatch.daemon.plan import Dump, Work
from fxwatch.records.analysis import Analysis, Finding
from fxwatch.records.attempt import Attempt
from fxwatch.records.ledger import FileState, Generation
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import ANALYSIS_ID, Store
from fxwatch.store.ledger import Ledger
from fxwatch.store.write import RunWriter

CRASHES = 2
_SOMETHING_ELSE = "its worker answered for something else"
_NAMES_AMISS = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
"""Of a run's folder, which the file system of the results does not take: no trouble of the store's, and not to pass."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an analysis: what was published, and a file that is to be looked at again, or is gone.

    `explained`: there is an analysis now, be it an older one. `given_up`: it is not tried again before it changes.
    `put_off`: why nothing could be done now; nothing was noted, and it is to be tried again.
    """

    published: Analysis | None = None
    explained: bool = False
    failed: bool = False
    given_up: bool = False
    put_off: str | None = None
    again: str | None = None
    gone: str | None = None


class Publisher:
    """Publishes answers. Holds the histories of all runs, and writes, alone, all that stands in their folders."""

    def __init__(self, store: Store, ledger: Ledger, narrator: Narrator, recipe: Recipe) -> None:
        self._store, self._ledger, self._narrator, self._recipe = store, ledger, narrator, recipe
        self._crashes: Counter[tuple[str, Generation]] = Counter()
        self.runs: dict[str, RunWriter] = {run.name: RunWriter(run) for run in store.runs_to_mend()}

    def publish(self, work: Work, answer: Answer, files: Files) -> Outcome:
        """Do what an answer calls for. Raises OSError where the store cannot be written."""
        if not (isinstance(answer, Trouble) and answer.crashed):
            self._crashes.pop((work.candidate.path, work.generation), None)
        if isinstance(answer, Explained):
            return self._explained(work, answer, files)
        if isinstance(answer, Duplicate):
            self._note(work, "done", "analysed before: same content, states and settings", answer.analysis)
            return Outcome(explained=True)
        if isinstance(answer, Trouble):
            return self._trouble(work, answer)
        raise TypeError(answer)

    def put_pages(self, job: DrawJob | ReportJob, answer: Answer, files: Files) -> None:
        """Write what was drawn, or say why there is nothing; the next start draws it then."""
        run, why = self._store.run(job.run), None
        try:
            if not isinstance(answer, Drawn):
                why = answer.reason if isinstance(answer, Trouble) else _SOMETHING_ELSE
            else:
                for place, file in places_of_pages(run, job, files).items():
                    write_atomic(place, file)
        except KeyError:
            why = _SOMETHING_ELSE
        except OSError as error:
            why = f"{run.folder} cannot be written ({error.strerror or error})"
        if why is not None:
            what = job.analysis if isinstance(job, DrawJob) else f"run {job.run}"
            self._narrator.say(f"the report of {what} was not drawn: {why}")

    def attempt(self, run: str) -> Attempt | None:
        """The attempt that a run is in; None where it has no analysis yet."""
        return self.runs[run].attempt if run in self.runs else None

    def close(self) -> None:
        """Close all histories."""
        for writer in self.runs.values():
            writer.close()

    def _explained(self, work: Work, answer: Explained, files: Files) -> Outcome:
        analysis, one = answer.analysis, work.candidate
        if analysis.run != one.run or not ANALYSIS_ID.fullmatch(analysis.id):
            return self._trouble(work, Trouble(outcome="failed", reason=_SOMETHING_ELSE))
        if not self._store.exists():
            reason = f"{self._store.root} was removed while it was analysed"
            return self._trouble(work, Trouble(outcome="vanished", reason=reason))
        try:
            self._commit(analysis, files)
        except OSError as error:
            if error.errno not in _NAMES_AMISS:
                raise
            return self._trouble(work, Trouble(outcome="failed", reason=f"no place for its results: {error.strerror}"))
        self._note(work, "done", "", analysis.id, analysis)
        for note in answer.notes:
            self._narrator.say(note)
        for finding in analysis.health.findings:
            if finding.metric == "states":
                self._states_left_out(work.dump, finding)
        self._narrator.analysed(analysis)
        return Outcome(published=analysis, explained=True)

    def _commit(self, analysis: Analysis, files: Files) -> None:
        if analysis.run not in self.runs:
            self.runs[analysis.run] = RunWriter(self._store.run(analysis.run))
        run = self.runs[analysis.run]
        run.commit(analysis, places_of_analysis(run.run, analysis.id, files))

    def _states_left_out(self, dump: Dump, finding: Finding) -> None:
        """A dump with states that are not finite: said aloud once, and kept in the ledger."""
        before = self._ledger.get(dump.path)
        self._note_dump(dump, "ready", finding.message)
        if before is None or before.reason != finding.message:
            self._narrator.say(f"{dump.path}: {finding.message}")

    def _crashed(self, work: Work, answer: Trouble) -> Outcome:
        """A worker that gave no answer may have been unlucky, once."""
        path = work.candidate.path
        crashes = self._crashes[path, work.generation] + 1
        if crashes < CRASHES:
            self._note(work, "failed", f"{answer.reason}; it is tried once more")
            self._crashes[path, work.generation] = crashes  # only now: what could not be noted comes once more
            self._narrator.say(f"{path} failed: {answer.reason}; it is tried once more")
            return Outcome(again=path)
        reason = f"{answer.reason}, {CRASHES} times; it is not tried again before it changes"
        self._note(work, "quarantined", reason)
        self._narrator.say(f"{path} is quarantined: {reason}")
        return Outcome(failed=True, given_up=True)

    def _trouble(self, work: Work, answer: Trouble) -> Outcome:
        if answer.crashed:
            return self._crashed(work, answer)
        if answer.outcome == "put_off":
            return Outcome(put_off=answer.reason)
        one, dump = work.candidate, work.dump
        if answer.outcome in {"incomplete", "vanished"}:
            path = one.path if answer.culprit == "checkpoint" else dump.path
            state: FileState = "settling" if answer.outcome == "incomplete" else "vanished"
            self._note(work, state, answer.reason, culprit=answer.culprit)
            return Outcome(again=path) if answer.outcome == "incomplete" else Outcome(gone=path)
        self._note(work, answer.outcome, answer.reason, culprit=answer.culprit)
        if answer.culprit == "states":
            self._note(work, "failed", f"its states cannot be used: {dump.path}: {answer.reason}")
        verb = "failed" if answer.outcome == "failed" else f"is {answer.outcome}"
        path = one.path if answer.culprit == "checkpoint" else f"{one.path} failed: {dump.path}"
        self._narrator.say(f"{path} {verb}: {answer.reason}")
        return Outcome(failed=answer.outcome == "failed")

    def _note(
        self,
        work: Work,
        state: FileState,
        reason: str,
        analysis_id: str | None = None,
        analysis: Analysis | None = None,
        *,
        culprit: str = "checkpoint",
    ) -> None:
        if culprit == "states":
            self._note_dump(work.dump, state, reason)
            return
        one = work.candidate
        before = self._ledger.get(one.path)
        gone = before is None or before.state == "vanished"  # while it was analysed
        if gone and state == "settling":
            state, reason = "vanished", "gone before it was analysed"
        self._ledger.note(
            one.path,
            state,
            reason,
            kind="checkpoint",
            run=one.run,
            generation=work.generation,
            sha256=analysis.checkpoint.sha256 if analysis else None,
            step=analysis.checkpoint.step if analysis else one.step,
            recipe=self._recipe(one.run),
            analysis=analysis_id,
            gone=gone and state != "quarantined",
        )

    def _note_dump(self, dump: Dump, state: FileState, reason: str) -> None:
        """What is to be said of a dump, unless it is gone."""
        if self._ledger.get(dump.path) is not None:
            self._ledger.note(
                dump.path, state, reason, kind="states", run=dump.run, generation=dump.generation, step=dump.step
            )
