"""What the screens look like in each state at each size, held against pictures in text, and in colour as SVG.

`python -m tests.tui.test_snapshots` draws them anew; look at the difference before you keep it. The SVGs are packed
(.svgz, which browsers open), without the fonts that Textual would fetch.
"""

import asyncio
import gzip
import re
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fxwatch.records.base import Verdict
from fxwatch.store.layout import Store
from fxwatch.tui.app import Monitor
from fxwatch.tui.snapshot import Lack, Past, Snapshot
from fxwatch.tui.view.only_ascii import only_ascii
from tests.tui.examples import START, daemon, snapshot
from tests.tui.test_monitor import screen_text
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


IN_COLOUR = ("live", "held", "stale", "empty", "error", "nothing-known")
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


async def settled(pilot: Pilot[None], monitor: Monitor) -> None:
    """Wait until there is something to see, and it stands still."""
    before, same = "", 0
    while same < 3 or monitor.snapshot is None:
        await pilot.pause(0.05)
        now = screen_text(monitor)
        same, before = same + 1 if now == before else 0, now


async def draw(state: str) -> tuple[str, list[str]]:
    """A state at all sizes, by one monitor that is resized: as text, and each as an SVG."""
    shown, key = STATES[state]
    monitor = Monitor(Store(Path("nowhere")), watched=Path("outputs"), read=lambda _: shown, interval=0.05)
    pictures, drawn = [], []
    async with monitor.run_test(size=SIZES[0]) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await settled(pilot, monitor)
            if key:
                await pilot.press(key)
                key = ""
                await settled(pilot, monitor)
            rows = [row.rstrip() for row in screen_text(monitor).splitlines()]
            pictures += [f"=== {size[0]} x {size[1]}", *rows]
            drawn.append(_FONTS.sub("", monitor.export_screenshot(title=state)))
    return "\n".join(pictures) + "\n", drawn


def packed(state: str, size: tuple[int, int]) -> Path:
    """Where the SVG of a state at a size is kept."""
    return PICTURES / f"{state}-{size[0]}x{size[1]}.svgz"


@pytest.mark.parametrize("state", STATES)
async def test_a_state_looks_as_it_did(state: str, tmp_path: Path) -> None:
    text, pictures = await draw(state)
    assert text == (PICTURES / f"{state}.txt").read_text(encoding="utf-8")
    for size, picture in zip(SIZES if state in IN_COLOUR else (), pictures, strict=False):
        now, kept = tmp_path / f"{size[0]}x{size[1]}.svg", packed(state, size)
        now.write_text(picture, encoding="utf-8")
        same = picture == gzip.decompress(kept.read_bytes()).decode()
        assert same, f"{kept.name} has other colours than {now}"


@pytest.mark.parametrize("state", STATES)
def test_every_sign_has_one_like_it_in_ascii(state: str) -> None:
    picture = (PICTURES / f"{state}.txt").read_text(encoding="utf-8")
    assert only_ascii(picture).count("?") == picture.count("?")


def main() -> None:
    """Draw all pictures anew."""
    PICTURES.mkdir(exist_ok=True)
    for state in STATES:
        text, pictures = asyncio.run(draw(state))
        (PICTURES / f"{state}.txt").write_text(text, encoding="utf-8")
        for size, picture in zip(SIZES if state in IN_COLOUR else (), pictures, strict=False):
            packed(state, size).write_bytes(gzip.compress(picture.encode(), mtime=0))


if __name__ == "__main__":
    main()
