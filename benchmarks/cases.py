"""The two policies on which speed is measured, after real training, and their states.

The guide's: its size, taught by a rule of a few features, for a minute; its weights are kept beside this file. The
demo's: a checkpoint of its own PPO training, and what that dumped.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.guide_policy import SHAPES, GuidePolicy, build
from fxwatch.load import load_policy, read_content, read_dump, read_weights
from fxwatch.load.policy import CalledPolicy
from fxwatch.records.settings import ModelSettings
from fxwatch.records.states import States

KEPT = Path(__file__).parent / "weights" / "guide.safetensors"
OUTPUTS = {"action_type": "0.0", "action_size": "0.1", "value": "1"}
STATES = 32
_STEPS, _BATCH = 250, 32


@dataclass(frozen=True, slots=True)
class Case:
    """A policy as fxwatch calls it, frozen and in eval mode, and 32 states."""

    name: str
    policy: nn.Module
    states: States


def asked_for() -> Iterator[Case]:
    """Those that the command line names, `guide` or `demo`; without a name both."""
    makers = {"guide": guide, "demo": demo}
    for name in sys.argv[1:] or makers:
        yield makers[name]()


def guide(count: int = STATES) -> Case:
    """The guide's size: 4 branches, d_model 128, 3/3/2/2 layers with GELU, 81 features, 2450 numbers a state."""
    made = _states(count, 10**6)
    states = States(
        {name: part.numpy() for name, part in made.items()},
        {name: [f"{name}_{place}" for place in range(shape[1])] for name, shape in SHAPES.items()},
    )
    return Case("the guide's size", CalledPolicy(_trained(), list(SHAPES), "dict", OUTPUTS).eval(), states)


def demo() -> Case:
    """The demo's transformer, from a checkpoint of its own training on EUR/USD."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        command = [sys.executable, "-m", "fxwatch.demo.train", str(home), "--seconds-between", "1"]
        trainer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(list(home.glob("*.zip"))) < 4:
            time.sleep(0.1)
        trainer.kill()
        trainer.wait()
        checkpoint = max(home.glob("*.zip"), key=lambda path: path.stat().st_mtime)
        dump = max(home.glob("states*"), key=lambda path: path.stat().st_mtime)
        settings = ModelSettings(factory="fxwatch.demo.policy:build")
        loaded = load_policy(read_weights(read_content(str(checkpoint)), settings), settings)
        states = read_dump(read_content(str(dump)), {}).states
    states = states.in_order(loaded.order(list(states.branches)))
    rows = np.linspace(0, states.count - 1, STATES).round().astype(int)
    return Case("the demo's", loaded.over(list(states.branches), settings), states.take(rows))


def _trained() -> GuidePolicy:
    policy = build()
    if not KEPT.exists():
        sys.stderr.write("training the policy of the guide's size\n")
        _train(policy)
        KEPT.parent.mkdir(exist_ok=True)
        save_file(policy.state_dict(), KEPT)
    policy.load_state_dict(load_file(KEPT))
    return policy.eval().requires_grad_(False)  # noqa: FBT003 - its only argument


def _train(policy: GuidePolicy) -> None:
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3, weight_decay=1e-2)
    policy.train()
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=_STEPS)
    for step in range(_STEPS):
        made = _states(_BATCH, step)
        kind, size, signal = _rule(made)
        (action_type, action_size), value = policy(made)
        loss = nn.functional.cross_entropy(action_type, kind) + nn.functional.cross_entropy(action_size, size)
        loss = loss + (value[:, 0] - signal).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    policy.eval()
    with torch.no_grad():
        held_out = _states(512, 10**7)
        kind, size, _ = _rule(held_out)
        (action_type, action_size), _ = policy(held_out)
    pairs = ((action_type, kind), (action_size, size))
    right = [float((found.argmax(1) == truth).double().mean()) for found, truth in pairs]
    sys.stderr.write(f"held out, it is right on type and size in {right[0]:.0%} and {right[1]:.0%} of states\n")


def _states(count: int, seed: int) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randn(count, *shape, generator=draw) for name, shape in SHAPES.items()}


def _rule(made: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Type by a signal of features of all four branches, two of which act only together; size by one feature."""
    newest = {name: part[:, -1] for name, part in made.items()}
    signal = newest["hf"][:, 0] - 0.8 * newest["mf"][:, 7] + 0.8 * newest["portfolio"][:, 0]
    signal = signal + torch.tanh(2 * newest["lf"][:, 1]) * newest["hf"][:, 3].clamp(-1, 1)
    kind = torch.where(signal > 0.6, 1, torch.where(signal < -0.6, 2, 0))
    return kind, (newest["portfolio"][:, 2] + 2).clamp(0, 3).long(), signal
