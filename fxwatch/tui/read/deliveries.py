"""What of the analyses has gone to W&B, as the notes of `fxwatch sync` in the store tell."""

from collections.abc import Sequence

from fxwatch.records.times import seconds
from fxwatch.store.layout import Store
from fxwatch.sync.outbox import Outbox, outbox_file, read_outbox
from fxwatch.tui.read.once import Once
from fxwatch.tui.snapshot import Delivery, RunNews


class Deliveries:
    """The notes of all runs, each read again only when it has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._notes: dict[str, Once[Outbox]] = {}

    def news(self, runs: Sequence[RunNews]) -> Delivery:
        """Of all runs together: how many analyses wait, when something was sent last, and what is in the way."""
        notes = [(run, self._note(run.name)) for run in runs]
        times = [seconds(note.sent_at) for _, note in notes if note is not None and note.sent_at is not None]
        return Delivery(
            begun=any(note is not None for _, note in notes),
            waiting=sum(max(0, run.analyses - (note.sent if note else 0)) for run, note in notes),
            at=max((at for at in times if at is not None), default=None),
            trouble=next((note.trouble for _, note in notes if note is not None and note.trouble), None),
        )

    def _note(self, name: str) -> Outbox | None:
        if name not in self._notes:
            run = self._store.run(name)
            self._notes[name] = Once(outbox_file(self._store, run), lambda: read_outbox(self._store, run))
        return self._notes[name]()
