"""What the screens look like in each state at each size, held against pictures in text.

`python -m tests.tui.test_snapshots` draws them anew; look at the difference before you keep it.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from fxwatch.records.base import Verdict
from fxwatch.store.layout import Store
from fxwatch.tui.app import Monitor
from fxwatch.tui.snapshot import Lack, Past, Snapshot
from fxwatch.tui.view.only_ascii import only_ascii
from tests.tui.examples import START, daemon, snapshot
from tests.tui.test_screens import everything
from tests.tui.test_views import null_ridden, sick

SIZES = [(60, 16), (80, 24), (120, 40), (200, 60)]
PICTURES = Path(__file__).parent / "snapshots"
VERDICTS: tuple[Verdict, ...] = ("ok", "ok", "warn", "bad", "bad")


def past(number: int) -> Past:
    """A place in a history that became worse."""
    return Past(number, 5, {"hf": 0.25}, {"consensus": (0.7, None, 0.84)}, VERDICTS, gap=20.0)


STATES: dict[str, tuple[Snapshot, str]] = {
    "live": (snapshot(sick(), past=past(5)), ""),
    "held": (snapshot(past=past(2), held=True), ""),
    "stale": (snapshot(daemon=daemon(START - 3600, running=["a.zip"])), ""),
    "empty": (Snapshot(START, "outputs", "outputs/fxwatch", Lack.STORE, empty=True), ""),
    "error": (snapshot(analysis=None, trouble="it was written by a newer fxwatch (schema 9); update fxwatch"), ""),
    "nothing-known": (snapshot(null_ridden(), past=None, daemon=None), ""),
    "features": (everything(), "f"),
    "runs": (replace(everything(), past=past(5)), "u"),
    "compare": (everything(), "c"),
}


async def draw(state: str) -> str:
    """A state at all sizes, by one monitor that is resized."""
    shown, key = STATES[state]
    monitor = Monitor(Store(Path("nowhere")), watched=Path("outputs"), read=lambda _: shown, interval=0.05)
    pictures = []
    async with monitor.run_test(size=SIZES[0]) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause(0.15)
            if key:
                await pilot.press(key)
                key = ""
                await pilot.pause(0.15)
            rows = [strip.text.rstrip() for strip in monitor.screen._compositor.render_strips()]
            pictures += [f"=== {size[0]} x {size[1]}", *rows]
    return "\n".join(pictures) + "\n"


@pytest.mark.parametrize("state", STATES)
async def test_a_state_looks_as_it_did(state: str) -> None:
    assert (await draw(state)) == (PICTURES / f"{state}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("state", STATES)
def test_every_sign_has_one_like_it_in_ascii(state: str) -> None:
    picture = (PICTURES / f"{state}.txt").read_text(encoding="utf-8")
    assert only_ascii(picture).count("?") == picture.count("?")


def main() -> None:
    """Draw all pictures anew."""
    PICTURES.mkdir(exist_ok=True)
    for state in STATES:
        (PICTURES / f"{state}.txt").write_text(asyncio.run(draw(state)), encoding="utf-8")


if __name__ == "__main__":
    main()
