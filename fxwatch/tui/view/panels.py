"""The panels by name. Each is a module of pure functions, and all are asked the same."""

from typing import Protocol

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view import gradient_flow, model_internals, ppo_metrics, training_progress, warnings
from fxwatch.tui.view.arrangement import Need
from fxwatch.tui.view.text import Line


class PanelView(Protocol):
    """What a panel shows, and how much room it needs."""

    NAME: str

    def room(self, snapshot: Snapshot) -> tuple[int, int]:
        """The fewest lines that are of use, and those for all but details."""

    def lines(self, snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
        """As much as fits; without a height, everything."""


_TALL = 999


PANELS: dict[str, PanelView] = {
    "ppo_metrics": ppo_metrics,
    "model_internals": model_internals,
    "gradient_flow": gradient_flow,
    "training_progress": training_progress,
    "warnings": warnings,
}


def needs(snapshot: Snapshot, width: int) -> dict[str, Need]:
    """The room that each panel needs."""
    return {
        name: Need(*panel.room(snapshot), len(panel.lines(snapshot, width, _TALL))) for name, panel in PANELS.items()
    }
