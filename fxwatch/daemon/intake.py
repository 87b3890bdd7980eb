"""From sightings to the plan: each file's way into the ledger, and what the daemon knows when it starts again."""

from collections.abc import Callable

from fxwatch.daemon.narrator import Narrator
from fxwatch.daemon.plan import Candidate, Plan
from fxwatch.daemon.troubles import Troubles
from fxwatch.records.ledger import Generation
from fxwatch.store.ledger import Entry, Ledger
from fxwatch.watch import Sighting, run_of

Recipe = Callable[[str], str]

_CHOSEN = {"ready", "running", "done", "failed"}
_DECIDED = {"done", "skipped", "quarantined"}
ASIDE = "backlog: others come first; it is explained when nothing else waits"
_FINAL = {"done", "failed", "refused", "unsupported", "skipped", "quarantined"}
_SAID_ALOUD = {"incomplete", "refused", "unsupported"}


class Intake:
    """Takes sightings in. `recipe` gives the digest of a run's settings, under which decisions hold."""

    def __init__(self, plan: Plan, ledger: Ledger, recipe: Recipe, narrator: Narrator) -> None:
        self._plan, self._ledger, self._recipe, self._narrator = plan, ledger, recipe, narrator
        self._without_states: set[str] = set()

    def remember(self) -> dict[str, Generation]:
        """Checkpoints that were decided under the same recipe, by path; the plan is told of them, too."""
        known = {}
        for one in self._ledger.newest():
            decided = one.kind == "checkpoint" and one.state in _DECIDED and one.recipe == self._recipe(one.run)
            if decided and one.generation is not None:
                known[one.path] = one.generation
                if one.state == "done" or _is_aside(one):
                    self._plan.remember(one.path, one.run, one.generation, one.step, aside=_is_aside(one))
        return known

    def take(self, sighting: Sighting, now: float) -> None:
        """Note a sighting, and plan what follows from it."""
        run, before = run_of(sighting.path), None
        if sighting.state in {"seen", "vanished"}:
            before = self._plan.gone(sighting.path, vanished=sighting.state == "vanished")
            if before is not None and before.state in {"waiting", "aside"} and sighting.state == "seen":
                reason = "overwritten before its turn"
                self._ledger.note(
                    sighting.path, "superseded", reason, kind="checkpoint", run=run, generation=before.generation
                )
        if sighting.state == "vanished":
            self._vanished(sighting, run, running=before is not None and before.state == "running")
        elif sighting.state != "ready":
            self._note(sighting, run)
            if sighting.state in _SAID_ALOUD:
                self._narrator.say(f"{sighting.path} is {sighting.state}: {sighting.reason}")
        elif sighting.kind == "states":
            self._plan.dump(sighting.path, run, sighting.generation, sighting.step, now)
            self._note(sighting, run)
        else:
            self._checkpoint(sighting, run)

    def put_aside(self) -> None:
        """Note what has to wait until nothing else does."""
        for one in self._plan.put_aside():
            self._ledger.note(
                one.path,
                "skipped",
                ASIDE,
                kind="checkpoint",
                run=one.run,
                generation=one.generation,
                step=one.step,
                recipe=self._recipe(one.run),
            )

    def interrupted(self, one: Candidate) -> None:
        """Note that the end has come before that of an analysis: it is made at the next start."""
        self._ledger.note(
            one.path,
            "ready",
            "interrupted; explained at the next start",
            kind="checkpoint",
            run=one.run,
            generation=one.generation,
            step=one.step,
        )

    def tell_without_states(self, troubles: Troubles) -> None:
        """Say which runs wait for states, and by which checkpoint, once each and for as long as they do."""
        waiting = {one.run: one.path for one in reversed(self._plan.without_states())}
        for run in self._without_states - waiting.keys():
            troubles.tell(f"states of {run}", None)
        for run in waiting.keys() - self._without_states:
            troubles.tell(
                f"states of {run}",
                f"{waiting[run]} waits: run {run} has no dump of states; save some as states.safetensors or "
                "states.npz beside the checkpoint, one array a branch",
            )
        self._without_states = set(waiting)

    def _vanished(self, sighting: Sighting, run: str, *, running: bool) -> None:
        """A file that is gone; what became of it before stays as it was decided, and is forgotten. Not so while it is
        analysed, and not what crashed its workers: it may come back as it was, with the folder above it.
        """
        before = self._ledger.get(sighting.path)
        if before is None or before.state not in _FINAL or _is_aside(before):
            self._note(sighting, run, gone=not running)
        elif before.state != "quarantined":
            self._ledger.forget(sighting.path)

    def _checkpoint(self, sighting: Sighting, run: str) -> None:
        before = self._ledger.get(sighting.path)
        same = before is not None and before.generation == sighting.generation
        if before is not None and same and before.state == "quarantined" and before.recipe == self._recipe(run):
            return
        chosen = before is not None and same and (before.state in _CHOSEN or _is_aside(before))
        number = before.number if before is not None and same else None
        number = self._ledger.checkpoints(run) if number is None else number
        one = self._plan.checkpoint(sighting.path, run, sighting.generation, sighting.step, None if chosen else number)
        if one.state == "skipped":
            reason = f"every = {self._plan.every_of(run)}"
            self._ledger.note(
                sighting.path,
                "skipped",
                reason,
                kind="checkpoint",
                run=run,
                generation=sighting.generation,
                step=sighting.step,
                recipe=self._recipe(run),
                number=number,
            )
        else:
            self._note(sighting, run, number)

    def _note(self, sighting: Sighting, run: str, number: int | None = None, *, gone: bool = False) -> None:
        self._ledger.note(
            sighting.path,
            sighting.state,
            sighting.reason,
            kind=sighting.kind,
            run=run,
            generation=sighting.generation,
            step=sighting.step,
            number=number,
            gone=gone,
        )


def _is_aside(one: Entry) -> bool:
    return one.state == "skipped" and one.reason == ASIDE
