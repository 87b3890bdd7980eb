"""What the recorder costs: the same loop with and without it, in alternating pairs.

    python -m benchmarks.recorder

Updates of the shape of PPO, with a dump in every tenth, on the policy of the demo and on a loop as cheap as CartPole.
Times are of the wall, and of the processor, which other programs disturb less; the recorder's thread and files are in
both.
"""

import argparse
import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
UPDATES = {"the demo's policy": 2, "CartPole": 20}
"""Of each side in a pair."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop to time: a model, one update of it, and how many steps of the environment that has."""

    name: str
    model: nn.Module
    update: Callable[[Any, torch.optim.Optimizer], None]
    steps: int


def demo() -> Loop:
    """The demo's policy: 4 environments act 128 times, then 16 minibatches of 128."""
    shapes = {name: (branch.steps, len(branch.features)) for name, branch in BRANCHES.items()}
    seen = {name: torch.randn(4, *shape) for name, shape in shapes.items()}
    batch = {name: torch.randn(128, *shape) for name, shape in shapes.items()}

    def update(model: Any, optimizer: torch.optim.Optimizer) -> None:
        model.set_training_mode(False)
        with torch.no_grad():
            for _ in range(128):
                actions, *_ = model(seen)
        model.set_training_mode(True)
        actions = actions.repeat(32, 1)
        for _ in range(16):
            value, log_probability, entropy = model.evaluate_actions(batch, actions)
            _learn(optimizer, -log_probability.mean() + value.square().mean() - 0.01 * entropy.mean())

    return Loop("the demo's policy", build(), update, 512)


def cartpole() -> Loop:
    """A small network on CartPole itself: 1 environment acts 256 times, then 16 minibatches of 64."""
    environment = gymnasium.make("CartPole-v1")
    environment.reset(seed=0)

    def update(model: Any, optimizer: torch.optim.Optimizer) -> None:
        observation, _ = environment.reset()
        seen = []
        with torch.no_grad():
            for _ in range(256):
                seen.append(torch.as_tensor(observation)[None])
                logits = model(seen[-1])
                observation, _, done, cut, _ = environment.step(int(logits[:, :2].argmax()))
                if done or cut:
                    observation, _ = environment.reset()
        rows = torch.cat(seen)
        for place in range(16):
            _learn(optimizer, model(rows[place * 16 :][:64]).square().mean())

    layers = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 3))
    return Loop("CartPole", layers, update, 256)


def _learn(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


Pair = tuple[float, float]


def pairs(loop: Loop, count: int, folder: Path) -> dict[str, list[Pair]]:
    """Seconds of some updates without the recorder and with it, by clock. The two take turns at every update."""
    sides = []
    for recorded in (False, True):
        model = copy.deepcopy(loop.model)
        optimizer = torch.optim.Adam(model.parameters(), 1e-5)
        if recorded:
            Recorder(model, optimizer, folder, every=EVERY)
        loop.update(model, optimizer)
        sides.append((model, optimizer))
    clocks = {"wall": time.perf_counter, "processor": time.process_time}
    found: dict[str, list[Pair]] = {name: [] for name in clocks}
    for _ in range(count):
        taken = {name: [0.0, 0.0] for name in clocks}
        for number in range(UPDATES[loop.name]):
            for side in (0, 1) if number % 2 else (1, 0):
                began = {name: clock() for name, clock in clocks.items()}
                loop.update(*sides[side])
                for name, clock in clocks.items():
                    taken[name][side] += clock() - began[name]
        for name, (off, on) in taken.items():
            found[name].append((off, on))
    return found


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
    parser.add_argument("--pairs", type=int, default=60)
    count = parser.parse_args().pairs
    torch.set_num_threads(1)
    for loop in (demo(), cartpole()):
        with tempfile.TemporaryDirectory() as folder:
            clocks = pairs(loop, count, Path(folder))
        for name, found in clocks.items():
            share = median_with_interval([100 * (on / off - 1) for off, on in found])
            alone = statistics.median(off for off, _ in found) / UPDATES[loop.name]
            say(f"{loop.name}, time of the {name}: {count} pairs, {alone * 1e3:.1f} ms an update without it")
            say("  slower by {:.2f} % (95 % interval {:.2f} to {:.2f})".format(*share))
            steps = loop.steps * UPDATES[loop.name]
            told = median_with_interval([1e6 * (on - off) / steps for off, on in found])
            say("  {:.1f} µs a step of the environment ({:.1f} to {:.1f}), all of it".format(*told))


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
