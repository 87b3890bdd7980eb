"""Draw the README's picture from a folder that fxwatch watches, while it does.

fxwatch demo outputs --headless --analyses 40 &
python docs/draw_pictures.py outputs
"""

import asyncio
import re
import sys
from datetime import datetime
from pathlib import Path

from fxwatch.store.layout import Store
from fxwatch.store.read import read_status
from fxwatch.tui.app import Monitor

SIZE = (120, 40)
PICTURE = Path(__file__).with_name("monitor.svg")


async def draw(watched: Path) -> str:
    """The monitor as it was when the daemon last beat."""
    store = Store.of(watched, None)
    beat = read_status(store)
    if beat is None:
        raise SystemExit(f"no daemon has watched {watched}")
    now = datetime.fromisoformat(beat.at).timestamp()
    monitor = Monitor(store, watched=Path("outputs"), clock=lambda: now)
    async with monitor.run_test(size=SIZE) as pilot:
        for _ in range(20):
            await pilot.pause(0.2)
        return monitor.export_screenshot(title="fxwatch tui")


def main() -> None:
    """Write the picture beside this file, without the fonts that Textual would fetch."""
    picture = asyncio.run(draw(Path(sys.argv[1])))
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")


if __name__ == "__main__":
    main()
