"""How the cost of everything grows: seconds at each size, and as a multiple of growth in proportion.

    python -m benchmarks.growth [picture.svg]

A multiple below 1 grows slower than its size. The cost of the model itself (attention grows with the square of a
sequence) is taken out of the analysis' by the third column: seconds as a multiple of so many of its forward passes.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.export import fill
from fxwatch.attribution import explain
from fxwatch.daemon.heartbeat import Heartbeat
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from fxwatch.store.layout import Store
from fxwatch.store.write import RunWriter
from fxwatch.watch.scan import scan
from tests.analyses import analysis


@dataclass(frozen=True, slots=True)
class Size:
    """A transformer over one branch, and the states to explain it over."""

    features: int = 16
    time: int = 16
    layers: int = 2
    states: int = 16


class Policy(nn.Module):
    """One branch, a transformer encoder, three logits and a value."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.projection = nn.Linear(size.features, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, size.layers, enable_nested_tensor=False)
        self.logits, self.value = nn.Linear(32, 3), nn.Linear(32, 1)

    def forward(self, hf: Tensor) -> dict[str, Tensor]:
        """Logits (N, 3) and value (N, 1)."""
        hidden = self.encoder(self.projection(hf))[:, -1]
        return {"action_type": self.logits(hidden), "value": self.value(hidden)}


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds, and, of an analysis, seconds in forward passes of all its states."""

    seconds: float
    passes: float | None = None


AXES: dict[str, tuple[Callable[[int], Cost], tuple[int, ...]]] = {}


def axis(name: str, *sizes: int) -> Callable[[Callable[[int], Cost]], Callable[[int], Cost]]:
    """Note what grows, and the sizes at which it is measured."""

    def note(measure: Callable[[int], Cost]) -> Callable[[int], Cost]:
        AXES[name] = (measure, sizes)
        return measure

    return note


def analysis_of(size: Size) -> Cost:
    """One analysis, with all that is reported."""
    torch.manual_seed(0)
    policy = Policy(size).eval()
    array = np.random.default_rng(0).normal(size=(size.states, size.time, size.features)).astype(np.float32)
    states = States({"hf": array}, {"hf": [f"f{number}" for number in range(size.features)]})
    run = partial(explain, policy, states, AnalysisSettings(max_states=size.states), GradientLimits())
    with torch.no_grad():
        forward = best(lambda: policy(torch.from_numpy(array)), 20)
    seconds = best(run, 2)
    return Cost(seconds, seconds / forward)


@axis("features of a branch", 8, 16, 32, 64)
def features(count: int) -> Cost:
    return analysis_of(replace(Size(), features=count))


@axis("time steps", 8, 16, 32, 64)
def steps(count: int) -> Cost:
    return analysis_of(replace(Size(), time=count))


@axis("layers", 1, 2, 4, 8)
def layers(count: int) -> Cost:
    return analysis_of(replace(Size(), layers=count))


@axis("states", 8, 16, 32, 64)
def states(count: int) -> Cost:
    return analysis_of(replace(Size(), states=count))


@axis("analyses before it, to publish one more", 10, 100, 1_000, 10_000)
def history(count: int) -> Cost:
    with a_store() as store:
        run = store.run("default")
        fill(run, count, 20)
        writer = RunWriter(run)
        new = iter(range(10**6, 10**6 + 5))
        seconds = best(lambda: writer.commit(analysis(next(new))), 5)
        writer.close()
    return Cost(seconds)


@axis("files in the tree, to scan it", 1_000, 10_000, 100_000)
def files(count: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            path = Path(folder, f"run-{number // 1000}", f"model_{number}_steps.pt")
            if number % 1000 == 0:
                path.parent.mkdir()
            path.touch()
        return Cost(best(lambda: scan(folder, {}), 3))


@axis("runs, to write one heartbeat", 1, 10, 100, 1_000)
def runs(count: int) -> Cost:
    with a_store() as store:
        writers = {}
        for number in range(count):
            run = store.run(f"run-{number}")
            writers[run.name] = RunWriter(run)
            writers[run.name].commit(analysis(number + 1, run=run.name))
        heartbeat = Heartbeat(store, Path("outputs"))
        now = iter(range(0, 1000, 10))

        def beat() -> None:
            heartbeat.beat(
                next(now),
                "watching",
                "events",
                scan_seconds=0.1,
                files={"done": count},
                waiting=0,
                backlog=0,
                lost_events=0,
                running=[],
                trouble=None,
                runs=writers,
            )

        seconds = best(beat, 5)
        for writer in writers.values():
            writer.close()
    return Cost(seconds)


def best(do: Callable[[], object], times: int) -> float:
    """The least seconds of so many tries."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        found.append(time.perf_counter() - began)
    return min(found)


@contextmanager
def a_store() -> Iterator[Store]:
    """An empty one."""
    folder = tempfile.mkdtemp()
    store = Store.of(Path(folder), None)
    store.create()
    yield store
    shutil.rmtree(folder)


def main() -> None:
    """Print a line for each size, and draw all if a file is named."""
    torch.set_num_threads(1)
    found: dict[str, list[tuple[int, Cost]]] = {}
    for name, (measure, sizes) in AXES.items():
        found[name] = []
        sys.stdout.write(f"\n{name:>42} {'seconds':>10} {'× in proportion':>16} {'forward passes':>15}\n")
        for size in sizes:
            cost = measure(size)
            found[name].append((size, cost))
            least, first = found[name][0]
            grown = cost.seconds / first.seconds / (size / least)
            passes = f"{cost.passes:15.0f}" if cost.passes is not None else ""
            sys.stdout.write(f"{size:>42,} {cost.seconds:10.4f} {grown:16.2f} {passes}\n")
            sys.stdout.flush()
    if len(sys.argv) > 1:
        draw(found, Path(sys.argv[1]))


def draw(found: dict[str, list[tuple[int, Cost]]], path: Path) -> None:
    """One small plot a line of the table's, logarithmic, with proportional growth dotted."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    for panel, (name, costs) in zip(figure.subplots(2, 4).flat, found.items(), strict=False):
        sizes, seconds = [size for size, _ in costs], [cost.seconds for _, cost in costs]
        panel.loglog(sizes, seconds, "o-")
        panel.loglog(sizes, [seconds[0] * size / sizes[0] for size in sizes], ":", color="gray")
        panel.set(title=name, ylabel="seconds")
        panel.title.set_fontsize(9)
    figure.axes[-1].set_axis_off()
    figure.savefig(path)


if __name__ == "__main__":
    main()
