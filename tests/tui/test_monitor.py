"""The monitor as a user sees it: every key, every size, every state."""

import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fxwatch.store.layout import Store
from fxwatch.tui.actions import ACTIONS
from fxwatch.tui.app import Monitor
from fxwatch.tui.place import Wish
from fxwatch.tui.screens.in_full import InFull
from fxwatch.tui.screens.overview import Overview
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.widgets.footer import Footer
from fxwatch.tui.widgets.rows import Rows
from tests.tui.examples import SICK, START, beat, fill, snapshot
from tests.tui.test_views import HOSTILE, STATES

SIZES = [(60, 16), (80, 24), (120, 40), (200, 60)]
Condition = Callable[[], bool]


def screen_text(app: Monitor) -> str:
    """The cells of the screen."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def colours_of(app: Monitor) -> set[str]:
    """The colours of the letters on the screen."""
    styles = [segment.style for strip in app.screen._compositor.render_strips() for segment in strip]
    return {style.color.name for style in styles if style is not None and style.color is not None}


def showing(app: Monitor, text: str) -> Condition:
    return lambda: text in screen_text(app)


async def until(pilot: Pilot[Any], condition: Condition) -> None:
    for _ in range(500):
        await pilot.pause(0.01)
        if condition():
            return
    raise AssertionError(screen_text(pilot.app))  # type: ignore[arg-type]


@asynccontextmanager
async def monitor(
    watched: Path,
    size: tuple[int, int] = (120, 40),
    read: Callable[[Sequence[Wish]], Snapshot] | None = None,
) -> AsyncIterator[tuple[Monitor, Pilot[None]]]:
    app = Monitor(Store.of(watched, None), watched=watched, clock=lambda: START + 10, read=read, interval=0.2)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.snapshot is not None)
        await pilot.pause(0.05)
        yield app, pilot


async def test_the_worst_run_is_shown_live(watched: Path) -> None:
    async with monitor(watched) as (app, pilot):
        await until(pilot, showing(app, "run sick · live at step 1,600 (16 of 16)"))
        assert "! WARN" in screen_text(app)
        assert "run 1 of 2, worst first" in screen_text(app)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (["left"], "held at step 1,500 (15 of 16)"),
        (["h", "h"], "held at step 1,400 (14 of 16)"),
        (["left", "left", "right"], "held at step 1,500 (15 of 16)"),
        (["h", "h", "l"], "held at step 1,500 (15 of 16)"),
        (["left", "right"], "live at step 1,600 (16 of 16)"),
        (["["], "held at step 600 (6 of 16)"),
        (["[", "]"], "live at step 1,600 (16 of 16)"),
        (["home"], "held at step 100 (1 of 16)"),
        (["home", "left"], "held at step 100 (1 of 16)"),
        (["home", "end"], "live at step 1,600 (16 of 16)"),
        (["home", "L"], "live at step 1,600 (16 of 16)"),
        (["r"], "run good · live at step 1,600"),
        (["tab"], "run good · live at step 1,600"),
        (["R"], "run good · live at step 1,600"),
        (["left", "shift+tab", "tab"], "run sick · live at step 1,600"),
    ],
)
async def test_keys_that_look_elsewhere(watched: Path, keys: list[str], place: str) -> None:
    async with monitor(watched) as (app, pilot):
        await pilot.press(*keys)
        await until(pilot, showing(app, place))


async def test_all_panels_follow_one_cursor(watched: Path) -> None:
    fill(watched, range(1700, 1800, 100), "sick", consensus=0.3, shares=SICK)
    async with monitor(watched) as (app, pilot):
        await until(pilot, showing(app, "consensus     0.300"))
        await pilot.press("left")
        await until(pilot, showing(app, "consensus     0.840"))
        await until(pilot, showing(app, "ppo_1600_steps.zip"))
        assert "agreement between methods 0.3 is below 0.4" not in screen_text(app)


async def test_held_stays_while_analyses_come_and_live_follows(watched: Path) -> None:
    async with monitor(watched) as (app, pilot):
        await pilot.press("left")
        await until(pilot, showing(app, "(15 of 16)"))
        fill(watched, range(1700, 1800, 100), "sick", shares=SICK)
        await until(pilot, showing(app, "held at step 1,500 (15 of 17)"))
        await pilot.press("end")
        await until(pilot, showing(app, "live at step 1,700 (17 of 17)"))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("w", "what to do"),
        ("enter", "what to do"),
        ("5", "what to do"),
        ("1", "ok from 0.7, bad below 0.4"),
        ("2", "position_hold_time"),
        ("3", "of weight"),
        ("4", "explained"),
        ("question_mark", "back to live: always the newest analysis"),
        ("f1", "back to live: always the newest analysis"),
    ],
)
async def test_keys_that_show_one_subject_in_full(watched: Path, key: str, text: str) -> None:
    async with monitor(watched) as (app, pilot):
        await pilot.press(key)
        await until(pilot, showing(app, text))
        assert isinstance(app.screen, InFull)
        assert "run sick" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, showing(app, "5 Warnings"))
        assert isinstance(app.screen, Overview)


async def test_from_one_subject_to_the_next_and_back(watched: Path) -> None:
    async with monitor(watched) as (app, pilot):
        await pilot.press("3", "1")
        await until(pilot, showing(app, "1 PPO metrics"))
        assert isinstance(app.screen, InFull)
        assert len(app.screen_stack) == 2
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, Overview))
        await pilot.press("w", "backspace")
        await until(pilot, lambda: isinstance(app.screen, Overview))


async def test_history_can_be_walked_in_full_view(watched: Path) -> None:
    async with monitor(watched) as (app, pilot):
        await pilot.press("4", "left")
        await until(pilot, showing(app, "held at step 1,500 (15 of 16)"))
        assert "ppo_1500_steps.zip" in screen_text(app)


async def test_scrolling(watched: Path) -> None:
    async with monitor(watched, (60, 16)) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, showing(app, "Keys ──"))
        assert "more below" in screen_text(app)
        await pilot.press("down", "j")
        await until(pilot, lambda: "Keys ──" not in screen_text(app))
        await pilot.press("up", "k")
        await until(pilot, showing(app, "Keys ──"))
        for _ in range(9):
            await pilot.press("pagedown")
        await until(pilot, lambda: "more below" not in screen_text(app))
        assert "plain" in screen_text(app)
        for _ in range(9):
            await pilot.press("pageup")
        await until(pilot, showing(app, "Keys ──"))
        await pilot.press("space")
        await until(pilot, lambda: "Keys ──" not in screen_text(app))


async def test_copying_the_path_of_the_png(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr(Monitor, "copy_to_clipboard", lambda _, text: copied.append(text))
    async with monitor(watched) as (app, pilot):
        await pilot.press("y")
        await until(pilot, showing(app, "no PNG has been drawn yet: fxwatch report"))
        assert copied == []
        png = Store.of(watched, None).run("sick").png
        png.touch()
        await until(pilot, lambda: app.snapshot is not None and app.snapshot.png is not None)
        await pilot.press("y")
        await until(pilot, lambda: copied == [str(png.absolute())])
        assert str(app.query_one(Footer).lines[0][0].text).startswith("copied /")
        await pilot.press("left")
        await until(pilot, showing(app, "q quit"))


async def test_one_run_alone(tmp_path: Path) -> None:
    fill(tmp_path, range(100, 300, 100))
    async with monitor(tmp_path) as (app, pilot):
        await pilot.press("r")
        await until(pilot, showing(app, "there is no other run"))


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_quitting(watched: Path, key: str) -> None:
    async with monitor(watched) as (app, pilot):
        await pilot.press("w", key)
        await until(pilot, lambda: not app.is_running or app._exit)


async def test_any_keys_in_any_order(watched: Path) -> None:
    keys = [key for action in ACTIONS if action.name != "quit" for key in action.keys]
    chosen = random.Random(4).choices(keys, k=60)
    async with monitor(watched) as (app, pilot):
        await pilot.press(*chosen)
        await pilot.press("escape", "escape", "escape", "L", "w")
        await until(pilot, showing(app, "5 Warnings ─"))
        assert len(app.screen_stack) <= 2


def test_every_key_is_told_once_and_does_something() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert all(hasattr(Monitor, f"do_{action.name.partition(':')[0]}") for action in ACTIONS)


async def test_from_nothing_to_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watched = Path("my outputs")
    async with monitor(watched, (80, 24)) as (app, pilot):
        await until(pilot, showing(app, "There is no folder"))
        assert "fxwatch daemon 'my outputs'" in screen_text(app)
        await pilot.press("w", "left", "r", "y", "escape")
        Path.mkdir(watched)
        await until(pilot, showing(app, "is empty so far"))
        Store.of(watched, None).create()
        await until(pilot, showing(app, "no daemon has run here"))
        beat(Store.of(watched, None), running=["a.zip"], files={"settling": 1})
        await until(pilot, showing(app, "1 settling"))
        fill(watched, range(100, 200, 100))
        await until(pilot, showing(app, "live at step 100 (1 of 1)"))


async def test_a_daemon_that_dies(watched: Path) -> None:
    async with monitor(watched) as (app, pilot):
        await until(pilot, showing(app, "daemon watching"))
        beat(Store.of(watched, None), START - 3600)
        await until(pilot, showing(app, "daemon silent since 07:00 UTC, 1 h ago"))
        beat(Store.of(watched, None), state="stopped")
        await until(pilot, showing(app, "daemon stopped"))
        beat(Store.of(watched, None))
        await until(pilot, showing(app, "daemon watching"))


def disjoint(app: Monitor) -> bool:
    regions = [widget.region for widget in app.screen.query(Rows) if widget.region.area and widget.is_on_screen]
    inside = all(app.screen.region.contains_region(region) for region in regions)
    return inside and not any(one.overlaps(other) for one, other in combinations(regions, 2))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
async def test_every_state_at_every_size(tmp_path: Path, state: str, size: tuple[int, int]) -> None:
    async with monitor(tmp_path, size, read=lambda _: STATES[state]) as (app, pilot):
        await until(pilot, showing(app, "q quit"))
        text = screen_text(app)
        assert disjoint(app)
        assert len(text.splitlines()) == size[1]
        assert any(word in text for word in ("OK", "WARN", "BAD", "UNKNOWN"))
        if app.snapshot is not None and app.snapshot.analysis is not None:
            assert "1 PPO metrics" in text
            assert "completeness" in text
            assert "2 Model internals" in text
        assert not set(text) & set("\x1b\x07\u202e\u200b")
        assert "<svg" in app.export_screenshot()
        for key in ("w", "1", "2", "3", "4", "question_mark"):
            await pilot.press(key)
            await pilot.pause()
            assert not set(screen_text(app)) & set("\x1b\x07\u202e\u200b")


@pytest.mark.parametrize(
    ("size", "panels"),
    [
        ((60, 16), ["PPO", "Model"]),
        ((80, 24), ["PPO", "Model", "Warnings", "Gradient", "Training"]),
        ((120, 40), ["PPO", "Model", "Warnings", "Gradient", "Training"]),
        ((200, 60), ["PPO", "Model", "Warnings", "Gradient", "Training"]),
    ],
)
async def test_which_panels_a_size_has(watched: Path, size: tuple[int, int], panels: list[str]) -> None:
    async with monitor(watched, size) as (app, pilot):
        await until(pilot, showing(app, "PPO metrics"))
        text = screen_text(app)
        assert [name for name in ("PPO", "Model", "Warnings", "Gradient", "Training") if f"{name} " in text] == panels


async def test_resizing(watched: Path) -> None:
    async with monitor(watched, (200, 60)) as (app, pilot):
        for size in [*reversed(SIZES), (20, 5), (300, 90), (1, 1), (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.pause(0.05)
            assert disjoint(app) or size == (1, 1)
        await until(pilot, showing(app, "completeness"))


async def test_names_from_files_are_text_and_not_markup(tmp_path: Path) -> None:
    async with monitor(tmp_path, (200, 60), read=lambda _: STATES["hostile"]) as (app, pilot):
        await until(pilot, showing(app, "[bold red]x[/]"))
        assert HOSTILE not in screen_text(app)


async def test_only_rows_that_changed_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [START + 5.0]
    refreshed: list[str] = []
    async with monitor(tmp_path, read=lambda _: snapshot(now=now[0])) as (app, pilot):
        await until(pilot, showing(app, "daemon watching"))
        monkeypatch.setattr(Rows, "refresh", lambda widget, *regions, **_: refreshed.append(f"{widget.id} {regions}"))
        await pilot.pause(0.3)
        assert refreshed == []
        now[0] += 5
        await pilot.pause(0.3)
        assert refreshed == []
        now[0] += 20
        await until(pilot, lambda: bool(refreshed))
        assert {entry.split()[0] for entry in refreshed} == {"header"}


async def test_without_colours(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with monitor(watched) as (app, pilot):
        await until(pilot, showing(app, "! WARN"))
        assert colours_of(app) <= {"default"}


async def test_a_mistake_of_the_reader_is_not_swallowed(tmp_path: Path) -> None:
    def read(intents: Sequence[Wish]) -> Snapshot:
        raise ZeroDivisionError

    app = Monitor(Store.of(tmp_path, None), watched=tmp_path, read=read)
    with pytest.raises(ZeroDivisionError):
        async with app.run_test() as pilot:
            await pilot.pause(0.5)


async def test_a_file_system_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fxwatch.tui.app._SILENCE", 0.3)
    hanging, answering = threading.Event(), threading.Event()

    def read(intents: Sequence[Wish]) -> Snapshot:
        if hanging.is_set():
            answering.wait(10)
        hanging.set()
        return snapshot()

    async with monitor(tmp_path, read=read) as (app, pilot):
        await until(pilot, showing(app, "nothing could be read for <15 s"))
        await pilot.press("q")
        answering.set()
