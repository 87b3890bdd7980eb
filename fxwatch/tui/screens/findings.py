"""The warnings in full, of which one is chosen."""

from collections.abc import Callable

from fxwatch.tui.screens.in_full import InFull
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.text import Line, name
from fxwatch.tui.view.warnings import chosen_finding, chosen_from, next_finding
from fxwatch.tui.widgets.scroll import Scroll


class Findings(InFull):
    """Up and down choose a finding, which stays chosen at other analyses that have it; pages are scrolled."""

    def __init__(self) -> None:
        super().__init__("warnings")
        self._metric: str | None = None
        self._snapshot: Snapshot | None = None

    @property
    def chosen(self) -> str | None:
        """The metric of the chosen finding."""
        found = chosen_finding(self._snapshot, self._metric) if self._snapshot is not None else None
        return found.metric if found is not None else None

    def keep(self) -> str | None:
        """Let the chosen finding stay chosen, also where another one comes first; its metric."""
        self._metric = self.chosen
        return self._metric

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        self._snapshot = snapshot
        super().show(snapshot)

    def words(self, snapshot: Snapshot) -> str | None:
        """The chosen finding."""
        finding = chosen_finding(snapshot, self.chosen)
        return super().words(snapshot) if finding is None else name(finding.message, 1000)

    def scroll_by(self, stride: str) -> None:
        """Choose another finding, or scroll by a `page`."""
        scroll = self.query_one(Scroll)
        if stride.endswith("page") or self._snapshot is None or self._snapshot.analysis is None:
            super().scroll_by(stride)
            return
        self._metric = next_finding(self._snapshot, self._metric, int(stride))
        chosen = chosen_from(self._snapshot, self._metric, scroll.size.width)
        scroll.reveal(0 if chosen.first == 1 else chosen.first, chosen.end)

    def _lines(self, snapshot: Snapshot) -> Callable[[int], list[Line]]:
        if snapshot.analysis is None:
            return super()._lines(snapshot)
        return lambda width: chosen_from(snapshot, self._metric, width).lines
