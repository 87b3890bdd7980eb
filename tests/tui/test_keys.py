"""The keys of the screens that stand alone: what a user presses, and what the screen then shows."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fxwatch.records.ledger import LedgerLine
from fxwatch.store.layout import Store
from fxwatch.tui.actions import ACTIONS
from fxwatch.tui.app import Monitor
from fxwatch.tui.remembered import Remembered, Sorting
from fxwatch.tui.screens.listing import Listing
from fxwatch.tui.screens.overview import Overview
from fxwatch.tui.view.subjects import TABLES, TEXTS
from tests.tui.examples import SICK, START, beat, fill, note
from tests.tui.test_monitor import monitor, screen_text, showing, until


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs and a log, for tests that only look."""
    folder = tmp_path_factory.mktemp("results") / "outputs"
    fill(folder, range(100, 1700, 100), "good")
    store = fill(folder, range(100, 1700, 100), "sick", shares=SICK)
    beat(store)
    failed = LedgerLine(seq=0, at="2026-11-22T08:00:00+00:00", path="a.zip", state="failed", reason="it is broken")
    note(store, failed)
    return folder


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["f"], "12 features"),
        (["6", "down", "enter"], "hf / volume_ratio"),
        (["f", "G", "enter"], "portfolio / position_hold_time"),
        (["f", "G", "g", "enter"], "hf / price_velocity"),
        (["f", "pagedown", "pageup", "enter"], "hf / price_velocity"),
        (["f", "enter", "escape"], "12 features"),
        (["f", "slash", "e", "m", "a"], "1 of 12 features"),
        (["f", "slash", "e", "m", "x", "backspace", "a", "enter", "enter"], "mf / ema_cross_signal"),
        (["f", "slash", "q", "L", "escape"], "12 features"),
        (["f", "slash", "h", "f", "enter", "escape"], "12 features"),
        (["f", "s", "s", "s"], "by share, largest first"),
        (["f", "s", "s", "s", "S"], "by share ·"),
        (["d", "7", "7"], "12 states"),
        (["8"], "rank correlation of importances"),
        (["9", "j", "j", "k", "enter"], "policy.hf.attention, head 1"),
        (["a", "enter", "backspace"], "4 heads"),
        (["0", "v"], "sparsity of all runs"),
        (["u", "V"], "share of portfolio of all runs"),
        (["u", *"VVVVV"], "attention stability of all runs"),
        (["u", "G", "enter"], "run good · live"),
        (["e"], "a.zip"),
        (["e", "z"], "it is broken"),
        (["c"], "0 of 12 moved beyond the noise"),
        (["c", "enter"], "share over 16 analyses"),
        (["home", "c"], "no analysis before this one"),
        (["home", "p", "end", "c"], "kept by p"),
        (["home", "p", "p", "end", "c"], "the analysis before; p keeps another"),
        (["colon"], "commands"),
        (["ctrl+p", "t", "e", "n", "space", "b", "a", "c", "k", "enter"], "held at step 600"),
        (["colon", "d", "e", "c", "i", "enter"], "12 states"),
        (["colon", "escape"], "2 Model internals"),
        (["colon", *"hold", "space", *"some", "enter"], "that is for tables"),
        (["b"], "held at step 100 (1 of 16)"),
        (["o"], "no PNG has been drawn yet"),
    ],
)
async def test_what_keys_show(results: Path, keys: Sequence[str], text: str) -> None:
    async with monitor(results, (140, 40)) as (app, pilot):
        await until(pilot, showing(app, "(16 of 16)"))
        await pilot.press(*keys)
        await until(pilot, showing(app, text))


async def test_one_cursor_for_all_screens(watched: Path) -> None:
    async with monitor(watched) as (app, pilot):
        await until(pilot, showing(app, "(16 of 16)"))
        await pilot.press("left")
        for key in ("f", "d", "m", "a", "u", "e", "c", "1", "question_mark", "escape"):
            await pilot.press(key)
            await until(pilot, showing(app, "held at step 1,500 (15 of 16)"))


async def test_a_feature_follows_the_cursor(watched: Path) -> None:
    async with monitor(watched) as (app, pilot):
        await until(pilot, showing(app, "(16 of 16)"))
        await pilot.press("f", "enter")
        await until(pilot, showing(app, "share over 16 analyses"))
        await pilot.press("left")
        await until(pilot, showing(app, "share over 15 analyses"))


async def test_the_log_follows_until_one_looks_up(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 200, 100))

    def say(number: int) -> None:
        note(store, LedgerLine(seq=number, at="2026-11-22T08:00:00+00:00", path=f"{number}.zip", state="seen"))

    for number in range(60):
        say(number)
    async with monitor(tmp_path) as (app, pilot):
        await pilot.press("e")
        await until(pilot, showing(app, "59.zip"))
        await pilot.press("up")
        say(60)
        await until(pilot, showing(app, "+2 new"))
        assert " 60.zip" not in screen_text(app)
        await pilot.press("G")
        await until(pilot, showing(app, "60.zip"))
        say(61)
        await until(pilot, showing(app, "61.zip"))


async def test_y_copies_the_row_and_o_the_path(watched: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copied: list[str] = []
    monkeypatch.setattr(Monitor, "copy_to_clipboard", lambda _, text: copied.append(text))
    png = Store.of(watched, None).run("sick").png
    png.touch()
    app = Monitor(Store.of(watched, None), watched=watched, clock=lambda: START, interval=0.2, copies=tmp_path / "kept")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.png is not None)
        await pilot.press("o")
        await until(pilot, lambda: copied == [str(png.absolute())])
        await pilot.press("f")
        await until(pilot, showing(app, "price_velocity"))
        await pilot.press("y")
        await until(pilot, showing(app, "also in"))
    assert copied[1].startswith("price_velocity\thf\t34.4 %\t")
    assert (tmp_path / "kept" / "copied.txt").read_text() == copied[1] + "\n"


async def test_keys_belong_to_the_words_while_one_types(watched: Path) -> None:
    async with monitor(watched) as (app, pilot):
        await pilot.press("f", "slash", *"qwjk")
        await until(pilot, showing(app, "/ qwjk"))
        assert isinstance(app.screen, Listing)
        await pilot.press("ctrl+u", "down", "down", "up", "enter")
        await until(pilot, lambda: not app.screen.typing)  # type: ignore[attr-defined]
        assert app.screen.grid.row is not None
        assert app.screen.grid.row.key == ("hf", "volume_ratio")
        await pilot.press("slash", "ctrl+c")
        await until(pilot, lambda: not app.is_running or app._exit)


async def test_it_opens_as_it_was_left(watched: Path) -> None:
    left = Remembered(subject="features", tables={"features": Sorting(sort=2, falling=True)}).at(watched, "good")
    app = Monitor(Store.of(watched, None), watched=watched, clock=lambda: START, remembered=left)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, showing(app, "by share, largest first"))
        await until(pilot, showing(app, "run good"))
        await pilot.press("s", "escape", "u")
        await until(pilot, showing(app, "2 runs"))
        await pilot.press("q")
    kept = app.remembered
    assert kept.subject == "runs"
    assert kept.tables["features"] == Sorting(sort=3, falling=True)
    assert kept.run_of(watched) == "good"


async def test_a_subject_that_is_known_no_more_is_forgotten(watched: Path) -> None:
    app = Monitor(Store.of(watched, None), watched=watched, remembered=Remembered(subject="no such", metric="odd"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.snapshot is not None)
        assert isinstance(app.screen, Overview)
        await pilot.press("u", "v")
        await until(pilot, showing(app, "of all runs"))


def test_every_subject_has_a_key() -> None:
    shown = {action.name.removeprefix("show:") for action in ACTIONS if action.name.startswith("show:")}
    assert shown == (TABLES.keys() | TEXTS.keys()) - {"feature", "head", "every_action"}


async def test_screens_of_an_empty_folder_do_no_harm(tmp_path: Path) -> None:
    async with monitor(tmp_path) as (app, pilot):
        for key in "fdmauec1":
            await pilot.press(key, "enter", "y", "s", "down", "b", "p", "o")
        await pilot.press("escape", "escape")
        await until(pilot, showing(app, "explains every checkpoint"))


async def test_the_mouse_where_it_is_taken(results: Path) -> None:
    async with monitor(results) as (app, pilot):
        await until(pilot, showing(app, "(16 of 16)"))
        await pilot.click("#model_internals")
        await until(pilot, showing(app, "position_hold_time"))
        await pilot.press("f")
        await until(pilot, showing(app, "12 features"))
        assert isinstance(app.screen, Listing)
        await pilot.click("#grid", offset=(5, 4))
        await until(pilot, lambda: app.screen.grid.row.key == ("hf", "spread"))  # type: ignore[attr-defined]
        app.screen.grid.on_mouse_scroll_down()
        assert app.screen.grid.row is not None
        assert app.screen.grid.row.key == ("mf", "bollinger_position")
        app.screen.grid.on_mouse_scroll_up()
        assert app.screen.grid.row.key == ("hf", "spread")
