"""How the cost of everything grows: seconds of the processor at each size, and as a multiple of growth in proportion.

    python -m benchmarks.growth [picture.svg]

A multiple below 1 grows slower than its size. What cannot be had for less is taken out in the last column: an analysis
as a multiple of one forward pass of all its states (attention grows with the square of a sequence), a look at all files
as one of asking the system for the same (which takes longer a file where its caches are too small for all).
"""

import os
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
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from fxwatch.report.stored import draw_stored
from fxwatch.store.layout import Store
from fxwatch.store.write import RunWriter
from fxwatch.watch.scan import scan
from tests.analyses import analysis
from tests.daemon.harness import Life, whole

INK, QUIET = "#1f5fa8", "#777777"


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
    """Seconds of the processor, and the same as a multiple of what cannot be had for less."""

    seconds: float
    over_bare: float | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """What grows, the sizes at which it is measured, and whether it should cost nothing to be larger."""

    name: str
    measure: Callable[[int], Cost]
    sizes: tuple[int, ...]
    constant: bool


AXES: list[Axis] = []


def axis(name: str, *sizes: int, constant: bool = False) -> Callable[[Callable[[int], Cost]], Callable[[int], Cost]]:
    """Note what grows."""

    def note(measure: Callable[[int], Cost]) -> Callable[[int], Cost]:
        AXES.append(Axis(name, measure, sizes, constant))
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


@axis("analyses before it: publishing one more", 10, 100, 1_000, 10_000, constant=True)
def history(count: int) -> Cost:
    with a_store() as store:
        run = store.run("default")
        fill(run, count, 20)
        writer = RunWriter(run)
        new = iter(range(10**6, 10**6 + 5))
        seconds = best(lambda: writer.commit(analysis(next(new))), 5)
        writer.close()
    return Cost(seconds)


@axis("analyses before it: drawing its page", 10, 100, 1_000, 10_000, constant=True)
def drawn_history(count: int) -> Cost:
    with a_store() as store:
        run = store.run("default")
        fill(run, count, 20)
        writer, one = RunWriter(run), analysis(10**6)
        writer.commit(one)
        seconds = best(partial(draw_stored, run, one.id, newest=True), 3)
        writer.close()
    return Cost(seconds)


@axis("files in the tree: one look at them all", 1_000, 10_000, 100_000)
def files(count: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            path = Path(folder, f"run-{number // 1000}", f"model_{number}_steps.pt")
            if number % 1000 == 0:
                path.parent.mkdir()
            path.touch()
        known = scan(folder, {}).files
        seconds = best(lambda: scan(folder, known), 3)
        return Cost(seconds, seconds / best(lambda: bare_look(folder), 3))


def bare_look(folder: str) -> None:
    """Ask the system for the state of all files in a folder of folders, and do nothing with it."""
    for inner in os.scandir(folder):
        for entry in os.scandir(inner.path):
            entry.stat(follow_symlinks=False)


@axis("runs watched: a minute of the daemon", 1, 10, 100, 1_000)
def runs(count: int) -> Cost:
    """The daemon's own work in a minute by its clock, in which one run of these has a new checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder))
        (life.root / "states.safetensors").write_bytes(whole(0))
        for number in range(count):
            checkpoint = life.root / f"run-{number}" / "a.safetensors"
            checkpoint.parent.mkdir()
            checkpoint.write_bytes(whole(number))
        until_done(life, count)
        began = time.process_time()
        (life.root / "run-0" / "b.safetensors").write_bytes(whole(count))
        life.go(60)
        until_done(life, count + 1)
        seconds = time.process_time() - began
        life.stop()
    return Cost(seconds)


def until_done(life: Life, count: int) -> None:
    """Wait for so many analyses: they stand back while the machine is under pressure."""
    while sum(1 for line in life.ledger().values() if line.state == "done") < count:
        life.go(10)


def best(do: Callable[[], object], times: int) -> float:
    """The least seconds of the processor's of so many tries."""
    found = []
    for _ in range(times):
        began = time.process_time()
        do()
        found.append(time.process_time() - began)
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
    found: list[tuple[Axis, list[Cost]]] = []
    for one in AXES:
        costs: list[Cost] = []
        sys.stdout.write(f"\n{one.name:>42} {'seconds':>10} {'× in proportion':>16} {'× the bare':>15}\n")
        for size in one.sizes:
            costs.append(one.measure(size))
            times = costs[-1].seconds / costs[0].seconds
            bare = f"{costs[-1].over_bare:15.4g}" if costs[-1].over_bare is not None else ""
            grown = times / (size / one.sizes[0])
            sys.stdout.write(f"{size:>42,} {costs[-1].seconds:10.4f} {grown:16.3f} {bare}\n")
            sys.stdout.flush()
        found.append((one, costs))
    if len(sys.argv) > 1:
        draw(found, Path(sys.argv[1]))


def draw(found: list[tuple[Axis, list[Cost]]], path: Path) -> None:
    """A small plot for each, both scales logarithmic and a decade as long in all; growth in proportion is dotted."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.family": "sans-serif"})
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    panels = figure.subplots(2, 4).flat
    for panel, (one, costs) in zip(panels, found, strict=True):
        seconds = [cost.seconds for cost in costs]
        first, last = one.sizes[0], one.sizes[-1]
        panel.loglog([first, last], [seconds[0], seconds[0] * last / first], ":", color=QUIET)
        panel.loglog(one.sizes, seconds, "o-", color=INK, markersize=4)
        middle = (min(seconds) * max(seconds)) ** 0.5
        panel.set_ylim(middle / 30, middle * 30)
        what, _, of = one.name.partition(": ")
        panel.set_title(f"{of or 'one analysis'}, by", fontsize=8, loc="left", color=QUIET, pad=17)
        panel.text(0, 1.02, what, transform=panel.transAxes, fontsize=9.5, va="bottom")
        panel.annotate(
            f"{last // first:,} × as many:\n{seconds[-1] / seconds[0]:.3g} × the time",
            (0.97, 0.05), xycoords="axes fraction", ha="right", va="bottom", fontsize=8, color=INK,
        )  # fmt: skip
        panel.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: in_words(value)))
        panel.set_xticks(one.sizes)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_minor_locator(NullLocator())
        panel.tick_params(labelsize=8, color=QUIET)
        panel.grid(visible=True, color=QUIET, alpha=0.2, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color(QUIET)
    first_panel = figure.axes[0]
    first_panel.text(0.6, 0.8, "in proportion", transform=first_panel.transAxes, fontsize=8, color=QUIET, ha="right")
    figure.savefig(path, metadata={"Date": None})


def in_words(seconds: float) -> str:
    """1 s, 10 ms."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


if __name__ == "__main__":
    main()
