"""From sightings to the plan: each file's way into the ledger, and what the daemon knows when it starts again."""

from collections.abc import Callable

from fxwatch.daemon.narrator import Narrator
from fxwatch.daemon.plan import Plan
from fxwatch.formats import dump_step, step_in_name
from fxwatch.records.ledger import Generation
from fxwatch.store.ledger import Ledger
from fxwatch.watch import Sighting, run_of

Recipe = Callable[[str], str]

_CHOSEN = {"ready", "running", "done", "failed"}
_DECIDED = {"done", "skipped", "quarantined"}
_FINAL = {"done", "failed", "refused", "unsupported", "skipped", "quarantined"}
_SAID_ALOUD = {"incomplete", "refused", "unsupported"}


class Intake:
    """Takes sightings in. `recipe` gives the digest of a run's settings, under which decisions hold."""

    def __init__(self, root: str, plan: Plan, ledger: Ledger, recipe: Recipe, narrator: Narrator) -> None:
        self._root, self._plan, self._ledger, self._recipe, self._narrator = root, plan, ledger, recipe, narrator
        self._told_without_states: set[str] = set()

    def remember(self) -> dict[str, Generation]:
        """Checkpoints that were decided under the same recipe, by path; the plan is told of them, too."""
        known = {}
        for line in self._ledger.newest():
            decided = line.kind == "checkpoint" and line.state in _DECIDED and line.recipe == self._recipe(line.run)
            if decided and line.generation is not None:
                known[line.path] = line.generation
                if line.state == "done":
                    self._plan.remember(line.path, line.run, line.generation, line.step)
        return known

    def take(self, sighting: Sighting, now: float) -> None:
        """Note a sighting, and plan what follows from it."""
        run = run_of(sighting.path)
        if sighting.state in {"seen", "vanished"}:
            before = self._plan.gone(sighting.path)
            if before is not None and before.state == "waiting" and sighting.state == "seen":
                reason = "overwritten before its turn"
                self._ledger.note(
                    sighting.path, "superseded", reason, kind="checkpoint", run=run, generation=before.generation
                )
        if sighting.state == "vanished":
            self._vanished(sighting, run)
        elif sighting.state != "ready":
            self._note(sighting, run)
            if sighting.state in _SAID_ALOUD:
                self._narrator.say(f"{sighting.path} is {sighting.state}: {sighting.reason}")
        elif sighting.kind == "states":
            step = dump_step(f"{self._root}/{sighting.path}")
            self._plan.dump(sighting.path, run, sighting.generation, step, now)
            self._note(sighting, run, step)
        else:
            self._checkpoint(sighting, run)

    def tell_without_states(self) -> None:
        """Say which checkpoints wait for states, once a run."""
        for one in self._plan.without_states():
            if one.run not in self._told_without_states:
                self._told_without_states.add(one.run)
                self._narrator.say(
                    f"{one.path} waits: run {one.run} has no dump of states; save some as states.safetensors or "
                    "states.npz beside the checkpoint, one array a branch"
                )

    def _vanished(self, sighting: Sighting, run: str) -> None:
        """A file that is gone; what became of it before stays as it was decided."""
        before = self._ledger.get(sighting.path)
        if before is None or before.state not in _FINAL:
            self._note(sighting, run)

    def _checkpoint(self, sighting: Sighting, run: str) -> None:
        before = self._ledger.get(sighting.path)
        chosen = before is not None and before.generation == sighting.generation and before.state in _CHOSEN
        number = None if chosen else self._ledger.checkpoints(run)
        step = step_in_name(sighting.path)
        one = self._plan.checkpoint(sighting.path, run, sighting.generation, step, number)
        if one.state == "skipped":
            reason = f"every = {self._plan.every_of(run)}"
            self._ledger.note(
                sighting.path,
                "skipped",
                reason,
                kind="checkpoint",
                run=run,
                generation=sighting.generation,
                step=step,
                recipe=self._recipe(run),
            )
        else:
            self._note(sighting, run, step)

    def _note(self, sighting: Sighting, run: str, step: int | None = None) -> None:
        self._ledger.note(
            sighting.path,
            sighting.state,
            sighting.reason,
            kind=sighting.kind,
            run=run,
            generation=sighting.generation,
            step=step,
        )
