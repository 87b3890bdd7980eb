"""Whether a run of 10,000 analyses is as quick to follow as one of ten: reports, the history, and what W&B is to get.

`python -m benchmarks.long_run` prints milliseconds for both, each the best of three.
"""

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.export import fill
from fxwatch.daemon.following import Following
from fxwatch.records.thresholds import Thresholds
from fxwatch.report.html.stored import stored_page
from fxwatch.report.stored import draw_stored
from fxwatch.store.layout import Run, Store
from fxwatch.store.write import RunWriter
from fxwatch.sync.outbox import waiting
from tests.analyses import analysis

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTHS = (10, 10_000)


def measure(store: Store, run: Run) -> dict[str, float]:
    """Milliseconds that each thing takes which is done for a new analysis."""
    writer = RunWriter(run)
    following = Following(run)
    list(following.news())
    found: dict[str, float] = {}
    for step in range(10**6, 10**6 + 3):
        one = analysis(step)
        newest = [(run, one.id)]
        things: dict[str, Callable[[], object]] = {
            "commit it": partial(writer.commit, one),
            "see it in the history": lambda: list(following.news()),
            "count what waits for W&B": partial(waiting, store, run),
            "draw its PNG": partial(draw_stored, run, one.id, newest=True),
            "write the HTML report": partial(stored_page, newest, Thresholds(), "", ""),
        }
        for name, do in things.items():
            began = time.perf_counter()
            do()
            found[name] = min(found.get(name, 1e9), 1000 * (time.perf_counter() - began))
    writer.close()
    return found


def main() -> None:
    """Print a line for each thing."""
    columns = []
    for length in LENGTHS:
        with tempfile.TemporaryDirectory() as folder:
            store = Store.of(Path(folder), None)
            store.create()
            fill(store.run("default"), length, 100)
            columns.append(measure(store, store.run("default")))
    print(f"{'ms, with analyses before it:':30}" + "".join(f"{length:>10,}" for length in LENGTHS))  # noqa: T201
    for name in columns[0]:
        print(f"{name:30}" + "".join(f"{column[name]:10.1f}" for column in columns))  # noqa: T201


if __name__ == "__main__":
    main()
