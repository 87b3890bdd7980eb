"""Warnings in full: one is chosen, and leads to the analysis at which it began."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fxwatch.records.thresholds import EXPECTED_SHARES, Thresholds
from fxwatch.records.verdict import judge
from fxwatch.store.layout import Store
from fxwatch.store.write import RunWriter
from fxwatch.tui.app import Monitor
from fxwatch.tui.read.history import History
from fxwatch.tui.view.text import plain
from fxwatch.tui.view.warnings import chosen_from, next_finding
from tests.tui.examples import analysis, beat, explanation, snapshot
from tests.tui.test_monitor import monitor, screen_text, showing, until
from tests.tui.test_views import sick

if TYPE_CHECKING:
    from fxwatch.records.analysis import Health


@pytest.fixture
def worsening(tmp_path: Path) -> Path:
    """Nine analyses: consensus is bad from the fourth on, and again from the eighth; infidelity from the sixth."""
    store = Store.of(tmp_path / "outputs", None)
    store.root.parent.mkdir()
    store.create()
    writer = RunWriter(store.run("default"))
    earlier: Health | None = None
    for number in range(1, 10):
        parts: dict[str, Any] = {
            "consensus": 0.3 if number in {4, 5, 8, 9} else 0.84,
            "infidelity": 0.3 if number >= 6 else 0.02,
        }
        _, findings = judge(explanation(**parts), Thresholds(), EXPECTED_SHARES, earlier)
        earlier = findings.health(number * 100)
        writer.commit(analysis(number * 100, **parts).model_copy(update={"health": earlier}))
    writer.close()
    beat(store)
    return tmp_path / "outputs"


async def test_each_finding_leads_to_where_it_began(worsening: Path) -> None:
    async with monitor(worsening) as (app, pilot):
        await until(pilot, showing(app, "live at step 900 (9 of 9)"))
        await pilot.press("w")
        await until(pilot, showing(app, "Enter goes to where ▸ began"))
        chosen = ["infidelity", "agreement"] if "▸ ✗ infidelity" in screen_text(app) else ["agreement", "infidelity"]
        began = {"infidelity": "held at step 600 (6 of 9)", "agreement": "held at step 800 (8 of 9)"}
        await pilot.press("enter")
        await until(pilot, showing(app, began[chosen[0]]))
        await pilot.press("enter")
        await until(pilot, showing(app, "it began at this analysis"))
        await pilot.press("L", "j")
        await until(pilot, showing(app, f"▸ ✗ {chosen[1]}"))
        await pilot.press("enter")
        await until(pilot, showing(app, began[chosen[1]]))
        assert f"▸ ✗ {chosen[1]}" in screen_text(app)


async def test_y_copies_the_chosen_warning(worsening: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(Monitor, "copy_to_clipboard", lambda _, text: copied.append(text))
    async with monitor(worsening) as (app, pilot):
        await pilot.press("w", "down")
        await until(pilot, showing(app, "▸ ✗"))
        await pilot.press("y")
        await until(pilot, lambda: bool(copied))
    assert copied[0] in {"infidelity 0.3 is above 0.1", "agreement between methods 0.3 is below 0.4"}


async def test_the_chosen_finding_is_scrolled_to(worsening: Path) -> None:
    async with monitor(worsening, (60, 16)) as (app, pilot):
        await pilot.press("w")
        await until(pilot, showing(app, "▸ ✗"))
        first = screen_text(app)
        await pilot.press("down")
        await until(pilot, lambda: "▸ ✗" in screen_text(app) and screen_text(app) != first)
        await pilot.press("up")
        await until(pilot, lambda: screen_text(app) == first)
        await pilot.press("space")
        await until(pilot, lambda: screen_text(app) != first)


def test_where_a_finding_began_by_its_step_or_its_row(worsening: Path) -> None:
    history = History(Store.of(worsening, None).run("default"))
    history.follow(lambda: False)
    assert history.beginning_of(8, "consensus", 800) == 7
    assert history.beginning_of(8, "consensus", None) == 7
    assert history.beginning_of(8, "infidelity", 600) == 5
    assert history.beginning_of(8, "infidelity", 700) == 6  # one that changed what it is about
    assert history.beginning_of(99, "infidelity", 600) is None


def test_what_is_chosen_stays_chosen_or_else_the_first() -> None:
    seen = snapshot(sick())
    first = next_finding(seen, None, 0)
    second = next_finding(seen, first, 1)
    assert first != second
    assert next_finding(seen, second, -5) == first
    chosen = chosen_from(seen, second, 100)
    assert plain(chosen.lines[chosen.first : chosen.end]).startswith("▸ ")
    assert plain(chosen_from(seen, "gone", 100).lines[1:2]).startswith("▸ ")
    assert next_finding(snapshot(), None, 1) is None
    assert chosen_from(snapshot(), None, 100).lines[1:]
