"""Whether a run of 10,000 analyses is as quick to follow as one of ten: history, reports, status, W&B, the daemon.

`python -m benchmarks.long_run` prints milliseconds for both, each the best of three, and their ratio.
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.export import fill
from fxwatch.config import Config, StoreSettings
from fxwatch.daemon.following import Following
from fxwatch.daemon.thinning import Thinning
from fxwatch.records.history import HistoryLine
from fxwatch.report.html.stored import stored_page
from fxwatch.report.run_report import write_run_report
from fxwatch.report.stored import draw_stored
from fxwatch.store.layout import Run, Store
from fxwatch.store.lines import read_lines
from fxwatch.store.write import RunWriter
from fxwatch.sync.outbox import new_outbox, unsent, waiting, write_outbox
from fxwatch.tui.read.glance import glance
from tests.analyses import analysis

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTHS = (10, 10_000)
KEEP = 100


def make(watched: Path, length: int) -> Store:
    """A run of so many analyses, each in a folder of its own, all of them sent, and thinned to `KEEP` whole ones."""
    store = Store.of(watched, None)
    store.create()
    run = store.run("default")
    fill(run, length, 100)
    found = list(read_lines(run.history, HistoryLine))
    text = run.analysis(found[0].id).json.read_text(encoding="utf-8")
    for line in found[1:]:
        folder = run.analysis(line.id)
        folder.folder.mkdir()
        folder.json.write_text(text.replace(found[0].id, line.id), encoding="utf-8")
        if line.seq % max(1, length // KEEP) == 0:
            folder.arrays.touch()
            folder.png.touch()
    outbox = new_outbox(watched, run, None)
    assert outbox is not None
    last = found[-1].seq + 1
    write_outbox(store, run, outbox.model_copy(update={"sent": last, "filed": last}))
    return store


def measure(watched: Path, store: Store, run: Run) -> dict[str, float]:
    """Milliseconds that each thing takes which is done for a new analysis."""
    writer = RunWriter(run)
    following = Following(run)
    list(following.news())
    thinning = Thinning(store, Config(store=StoreSettings(keep=KEEP)))
    thinning.look([run])
    found: dict[str, float] = {}
    for step in range(10**6, 10**6 + 3):
        one = analysis(step)
        newest = [(run, one.id)]
        things: dict[str, Callable[[], object]] = {
            "publish it": partial(writer.commit, one),
            "see it in the history": lambda: list(following.news()),
            "find all runs": lambda: list(store.runs()),
            "count what waits for W&B": partial(waiting, store, run),
            "list what waits for W&B": partial(unsent, store, run),
            "thin the run": partial(thinning.look, [run]),
            "draw its PNG": partial(draw_stored, run, one.id, newest=True),
            "write the HTML report": partial(stored_page, newest),
            "report on the run as a whole": partial(write_run_report, run),
            "fxwatch status": partial(glance, store, watched, 0.0),
            "fxwatch sync, offline": partial(sync, watched),
        }
        for name, do in things.items():
            began = time.perf_counter()
            do()
            found[name] = min(found.get(name, 1e9), 1000 * (time.perf_counter() - began))
    writer.close()
    return found


def sync(watched: Path) -> None:
    """Send what waits, in a process of its own as the daemon does."""
    places = {f"WANDB_{kind}_DIR": str(watched / kind.lower()) for kind in ("CACHE", "CONFIG")}
    environment = {**os.environ, **places, "WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
    done = subprocess.run(
        [sys.executable, "-m", "fxwatch", "sync", str(watched)],
        env=environment, cwd=watched, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "1 analyses sent" in done.stdout, done.stdout


def main() -> None:
    """Print a line for each thing."""
    columns = []
    for length in LENGTHS:
        with tempfile.TemporaryDirectory() as folder:
            store = make(Path(folder), length)
            columns.append(measure(Path(folder), store, store.run("default")))
    print(f"{'ms, with analyses before it:':30}" + "".join(f"{length:>10,}" for length in LENGTHS) + "     ratio")  # noqa: T201
    for name, few in columns[0].items():
        many = columns[1][name]
        print(f"{name:30}{few:10.1f}{many:10.1f}{many / few:10.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
