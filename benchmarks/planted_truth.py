"""Policies with planted truths, trained, and what fxwatch says of them: recall, false alarms and error bars.

    python -m benchmarks.planted_truth

A small multi-branch transformer learns a rule of three features among fifteen; one feature is constant, one is never
read. What the trained policy really uses is measured on held-out states by swapping each feature between states, which
shares no code with fxwatch.
"""

import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import scipy.stats
import torch
from torch import Tensor, nn

from fxwatch.attribution import explain
from fxwatch.records.analysis import Explanation
from fxwatch.records.settings import AnalysisSettings, MethodName
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

FEATURES = {
    "hf": ["velocity", "hf_noise_1", "hf_noise_2", "hf_noise_3", "constant", "hf_noise_4"],
    "mf": ["mf_noise_1", "mf_noise_2", "cross", "mf_noise_3", "unread"],
    "portfolio": ["pf_noise_1", "pnl", "pf_noise_2", "pf_noise_3"],
}
STEPS = {"hf": 8, "mf": 6, "portfolio": 3}
PLANTED = {("hf", "velocity"), ("mf", "cross"), ("portfolio", "pnl")}
DEAD = {("hf", "constant"): "constant_input", ("mf", "unread"): "zero_projection"}
SEEDS = range(10)
LIVE = 0.02


class Policy(nn.Module):
    """A token a branch, attention between them, three actions and a value."""

    keep: Tensor

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({name: nn.Linear(len(names), width) for name, names in FEATURES.items()})
        self.encoders = nn.ModuleDict(
            {name: nn.TransformerEncoderLayer(width, 2, 32, 0.0, "gelu", batch_first=True) for name in FEATURES}
        )
        self.fusion = nn.MultiheadAttention(width, 2, batch_first=True)
        self.action, self.value = nn.Linear(3 * width, 3), nn.Linear(3 * width, 1)
        self.register_buffer("keep", torch.tensor([name != "unread" for name in FEATURES["mf"]], dtype=torch.float32))

    def forward(self, hf: Tensor, mf: Tensor, portfolio: Tensor) -> dict[str, Tensor]:
        """Logits and value."""
        branches = {"hf": hf, "mf": mf * self.keep, "portfolio": portfolio}
        tokens = [self.encoders[name](self.projections[name](x)).mean(1) for name, x in branches.items()]
        stacked = torch.stack(tokens, 1)
        hidden = (stacked + self.fusion(stacked, stacked, stacked)[0]).flatten(1)
        return {"action_type": self.action(hidden), "value": self.value(hidden)}


@dataclass(frozen=True, slots=True)
class Trained:
    """A policy, how often it is right on held-out states, and how much each feature moves its logits there, in
    deviations of the logits over states.
    """

    policy: Policy
    accuracy: float
    effects: dict[tuple[str, str], float]


def states(count: int, seed: int) -> dict[str, Tensor]:
    """Standard normal features, but for the constant one."""
    draw = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(count, STEPS[name], len(names), generator=draw) for name, names in FEATURES.items()}
    made["hf"][..., FEATURES["hf"].index("constant")] = 1.7
    return made


def rule(made: dict[str, Tensor]) -> Tensor:
    """Buy or sell on a strong signal of the three planted features, else hold."""
    signal = (
        2.0 * made["hf"][:, -4:, 0].mean(1)
        - 1.8 * made["mf"][:, :, 2].mean(1)
        + 1.2 * made["portfolio"][:, :, 1].mean(1)
    )
    return torch.where(signal > 0.6, 1, torch.where(signal < -0.6, 2, 0))


def train(seed: int, steps: int = 400) -> Trained:
    """Train by cross entropy, and measure on held-out states."""
    torch.manual_seed(seed)
    policy = Policy()
    optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3, weight_decay=1e-2)
    for step in range(steps):
        made = states(128, 1000 * seed + step)
        outputs = policy(**made)
        loss = nn.functional.cross_entropy(outputs["action_type"], rule(made)) + outputs["value"].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    policy.eval()
    held_out = states(512, 77 + seed)
    with torch.no_grad():
        logits = policy(**held_out)["action_type"]
        accuracy = float((logits.argmax(1) == rule(held_out)).float().mean())
        effects = {
            (branch, name): _effect(policy, held_out, branch, column, logits)
            for branch, names in FEATURES.items()
            for column, name in enumerate(names)
        }
    return Trained(policy, accuracy, effects)


def _effect(policy: Policy, made: dict[str, Tensor], branch: str, column: int, logits: Tensor) -> float:
    swapped = made[branch].clone()
    swapped[..., column] = made[branch][torch.arange(len(logits)).roll(101)][..., column]
    changed = policy(**{**made, branch: swapped})["action_type"] - logits
    return float((changed.abs().mean(0) / logits.std(0)).max())


def explained(policy: Policy, seed: int, settings: AnalysisSettings | None = None) -> Explanation:
    """What fxwatch says of it over 32 states of its own."""
    made: dict[str, NDArray[np.float32]] = {name: x.numpy() for name, x in states(32, 5000 + seed).items()}
    return explain(policy, States(made, FEATURES), settings or AnalysisSettings(), GradientLimits())[0]


def ranking(found: Explanation) -> list[tuple[str, str]]:
    """All units, most important first."""
    shares = {(branch, name): unit.share for branch, units in found.units.items() for name, unit in units.items()}
    return sorted(shares, key=lambda unit: -shares[unit])


def agreement(found: Explanation, effects: dict[tuple[str, str], float]) -> float:
    """Spearman correlation between shares and what swapping each feature does on held-out states."""
    order = list(effects)
    shares = [found.units[branch][name].share for branch, name in order]
    return float(scipy.stats.spearmanr(shares, [effects[unit] for unit in order]).statistic)


def main() -> None:
    """Print a table, mean ± standard error over ten seeds."""
    torch.set_num_threads(1)
    trained = [train(seed) for seed in SEEDS]
    _row("accuracy of the policy on held-out states", [one.accuracy for one in trained])
    found = [explained(one.policy, seed) for seed, one in enumerate(trained)]
    hits = [len(PLANTED & set(ranking(one)[:3])) / 3 for one in found]
    _row("planted features among the first three (recall)", hits)
    right, false, missed = [], [], []
    for one, said in zip(trained, found, strict=True):
        called = {(b, n): cause for b, causes in said.dead_features.causes.items() for n, cause in causes.items()}
        right.append(sum(called.get(unit) == cause for unit, cause in DEAD.items()) / len(DEAD))
        missed.append(sum(unit not in called for unit in DEAD))
        false.append(sum(one.effects[unit] >= LIVE for unit in called))
    _row("planted dead features called so, with the right cause", right)
    _row("planted dead features missed", missed)
    _row("live features called dead (false alarms)", false)
    primaries: list[MethodName] = ["integrated_gradients", "gradient_shap", "saliency", "feature_ablation", "deep_lift"]
    for name in primaries:
        settings = AnalysisSettings(primary_method=name, secondary_methods=[])
        agreements = [agreement(explained(one.policy, seed, settings), one.effects) for seed, one in enumerate(trained)]
        _row(f"rank correlation with held-out effects, {name}", agreements)
    numbers: dict[str, Callable[[Explanation], float | None]] = {
        "consensus": lambda e: e.consensus.mean_correlation,
        "infidelity": lambda e: e.quality.infidelity.value,
        "sensitivity": lambda e: e.quality.sensitivity.value,
        "completeness": lambda e: e.quality.completeness.value,
        "concentration": lambda e: e.quality.concentration.value,
        "sparsity": lambda e: e.quality.sparsity.value,
        "deletion beats chance by (deviations)": lambda e: e.trust.deletion.value,
    }
    for label, number in numbers.items():
        _row(label, [value for one in found if (value := number(one)) is not None])


def _row(label: str, values: list[float] | list[int]) -> None:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    spread = f"from {min(values):.3f} to {max(values):.3f}"
    sys.stdout.write(f"{label:<60} {statistics.fmean(values):7.3f} ± {error:.3f}   {spread}\n")


if __name__ == "__main__":
    main()
