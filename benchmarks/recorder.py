"""What the recorder costs: the same loop with and without it, in alternating pairs.

    python -m benchmarks.recorder

Updates of the shape of PPO, on the policy of the demo and on a loop as cheap as CartPole. Within an update the
recorder's hooks are on and off in turns of some milliseconds, so that what else the machine does falls on both alike;
an update is a pair. Times are of the wall, and of the processor: there the recorder's own thread, which works beside
both, is counted in full on its side.
"""

import argparse
import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import gymnasium
import torch
from torch import nn

from fxwatch.demo.layout import BRANCHES
from fxwatch.demo.policy import build
from fxwatch.recorder import Recorder

EVERY = 10
Turn = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop to time: a model, the turns of one update, two of each kind after another, and the environment's steps."""

    name: str
    model: nn.Module
    update: Callable[[Any, torch.optim.Optimizer], Iterator[Turn]]
    steps: int


def demo() -> Loop:
    """The demo's policy: 4 environments act 128 times, then 16 minibatches of 128."""
    shapes = {name: (branch.steps, len(branch.features)) for name, branch in BRANCHES.items()}
    seen = {name: torch.randn(4, *shape) for name, shape in shapes.items()}
    batch = {name: torch.randn(128, *shape) for name, shape in shapes.items()}
    actions = torch.zeros(128, 2, dtype=torch.long)

    def act(model: Any) -> None:
        with torch.no_grad():
            for _ in range(4):
                model(seen)

    def learn(model: Any, optimizer: torch.optim.Optimizer) -> None:
        value, log_probability, entropy = model.evaluate_actions(batch, actions)
        _learn(optimizer, -log_probability.mean() + value.square().mean() - 0.01 * entropy.mean())

    def update(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[Turn]:
        model.set_training_mode(False)
        yield from [lambda: act(model)] * 32
        model.set_training_mode(True)
        yield from [lambda: learn(model, optimizer)] * 16

    return Loop("the demo's policy", build(), update, 512)


def cartpole() -> Loop:
    """A small network on CartPole itself: 1 environment acts 256 times, then 16 minibatches of 64."""
    environment = gymnasium.make("CartPole-v1")
    environment.reset(seed=0)
    seen = [torch.as_tensor(environment.reset()[0])[None]]

    def act(model: Any) -> None:
        with torch.no_grad():
            for _ in range(16):
                logits = model(seen[-1])
                observation, _, done, cut, _ = environment.step(int(logits[:, :2].argmax()))
                if done or cut:
                    observation, _ = environment.reset()
                seen.append(torch.as_tensor(observation)[None])

    def learn(model: Any, optimizer: torch.optim.Optimizer, batch: torch.Tensor) -> None:
        _learn(optimizer, model(batch).square().mean())

    def update(model: Any, optimizer: torch.optim.Optimizer) -> Iterator[Turn]:
        del seen[:-1]
        yield from [lambda: act(model)] * 16
        rows = torch.cat(seen[-256:])
        for batch in torch.stack([rows[place * 12 :][:64] for place in range(16)]):
            yield functools.partial(learn, model, optimizer, batch)

    layers = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 3))
    return Loop("CartPole", layers, update, 256)


def _learn(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


Pair = tuple[float, float]


def pairs(loop: Loop, count: int, folder: Path) -> dict[str, list[Pair]]:
    """Seconds of half an update each without the recorder and with it, by clock, for each of some updates."""
    optimizer = torch.optim.Adam(loop.model.parameters(), 1e-5)
    recorder = Recorder(loop.model, optimizer, folder, every=EVERY)
    for turn in loop.update(loop.model, optimizer):
        turn()
    switch = _Switch(loop.model, optimizer)
    clocks = {"wall": time.perf_counter, "processor": time.thread_time}
    own = time.pthread_getcpuclockid(recorder.writer.thread.ident or 0)
    found: dict[str, list[Pair]] = {name: [] for name in clocks}
    for number in range(count):
        taken = {name: [0.0, 0.0] for name in clocks}
        beside = time.clock_gettime(own)
        for place, turn in enumerate(loop.update(loop.model, optimizer)):
            side = (place + number) % 2
            switch.turn(on=bool(side))
            began = {name: clock() for name, clock in clocks.items()}
            turn()
            for name, clock in clocks.items():
                taken[name][side] += clock() - began[name]
        taken["processor"][1] += time.clock_gettime(own) - beside
        for name, (off, on) in taken.items():
            found[name].append((off, on))
    switch.turn(on=True)
    recorder.close()
    return found


class _Switch:
    """Takes the recorder's hooks off and puts them on again, as one would remove and register them, but at once."""

    def __init__(self, model: Any, optimizer: Any) -> None:
        self._places = [model._forward_pre_hooks, optimizer._optimizer_step_post_hooks]  # noqa: SLF001
        self._hooks = [dict(place) for place in self._places]

    def turn(self, *, on: bool) -> None:
        """On, or off."""
        for place, hooks in zip(self._places, self._hooks, strict=True):
            place.clear()
            place.update(hooks if on else {})


def median_with_interval(values: list[float]) -> tuple[float, float, float]:
    """The median, and its 95 % interval by order statistics, which assumes no distribution."""
    ordered, count = sorted(values), len(values)
    below, chance = 0, 0.0
    while chance + comb(count, below) / 2**count <= 0.025:
        chance += comb(count, below) / 2**count
        below += 1
    low, high = (below - 1, count - below) if below else (0, count - 1)
    return statistics.median(ordered), ordered[low], ordered[high]


def main() -> None:
    """Print the cost on both loops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=150)
    count = parser.parse_args().pairs
    torch.set_num_threads(1)
    for loop in (demo(), cartpole()):
        with tempfile.TemporaryDirectory() as folder:
            clocks = pairs(loop, count, Path(folder))
        for name, found in clocks.items():
            share = median_with_interval([100 * (on / off - 1) for off, on in found])
            alone = 2e3 * statistics.median(off for off, _ in found)
            say(f"{loop.name}, time of the {name}: {count} pairs, {alone:.1f} ms an update without it")
            say("  slower by {:.2f} % (95 % interval {:.2f} to {:.2f})".format(*share))
            told = median_with_interval([2e6 * (on - off) / loop.steps for off, on in found])
            say("  {:.1f} µs a step of the environment ({:.1f} to {:.1f}), all of it".format(*told))
            mean = 2e6 * statistics.fmean(on - off for off, on in found) / loop.steps
            say(f"  {mean:.1f} µs on average, with the updates that dump")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
