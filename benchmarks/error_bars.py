"""Are the error bars right? Intervals and standard errors against what really varies when other states are drawn.

    python -m benchmarks.error_bars

Policies with planted truths (benchmarks/planted_truth.py) are explained over many independent sets of states, each with
baselines of its own. The true share of a feature is its mean over all sets of the largest size.
"""

import statistics
import sys
from typing import TYPE_CHECKING

import torch
from torch import nn

from benchmarks.planted_truth import FEATURES, states, train
from fxwatch.attribution import explain
from fxwatch.records.analysis import BranchShare, Explanation, Unit
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits

if TYPE_CHECKING:
    from collections.abc import Callable

POLICIES = 3
SETS = 40
COUNTS = (8, 16, 32, 64)
LIVE = 0.005
"""Features with a smaller share are left out: a dead one's interval is a point."""


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    sets = {
        (policy, count): _explanations(train(policy, 200).policy, count, 10_000 * (policy + 1) + 100 * count)
        for policy in range(POLICIES)
        for count in COUNTS
    }
    for what, parts in (("features", _units), ("branches", _branches)):
        for count in COUNTS:
            hits: list[bool] = []
            for policy in range(POLICIES):
                truth = _means([parts(one) for one in sets[policy, COUNTS[-1]]])
                for one in sets[policy, count]:
                    hits += [
                        (part.low or 0) <= truth[name] <= (part.high or 0)
                        for name, part in parts(one).items()
                        if truth[name] > LIVE
                    ]
            error = (statistics.fmean(hits) * (1 - statistics.fmean(hits)) / len(hits)) ** 0.5
            _say(f"95 % intervals of {what} that hold the truth, {count} states", statistics.fmean(hits), error)
    numbers: dict[str, Callable[[Explanation], tuple[float | None, float | None]]] = {
        "consensus": lambda e: (e.consensus.mean_correlation, e.consensus.standard_error),
        "sparsity": lambda e: (e.quality.sparsity.value, e.quality.sparsity.standard_error),
        "concentration": lambda e: (e.quality.concentration.value, e.quality.concentration.standard_error),
        "infidelity": lambda e: (e.quality.infidelity.value, e.quality.infidelity.standard_error),
        "sensitivity": lambda e: (e.quality.sensitivity.value, e.quality.sensitivity.standard_error),
        "completeness": lambda e: (e.quality.completeness.value, e.quality.completeness.standard_error),
    }
    for name, number in numbers.items():
        ratios = []
        for policy in range(POLICIES):
            pairs = [number(one) for one in sets[policy, 32]]
            stated = statistics.fmean(error for _, error in pairs if error is not None)
            ratios.append(stated / statistics.stdev(value for value, _ in pairs if value is not None))
        _say(f"stated error over true error of {name}, 32 states", statistics.fmean(ratios), statistics.stdev(ratios))


def _explanations(policy: nn.Module, count: int, seed: int) -> list[Explanation]:
    settings = AnalysisSettings(secondary_methods=["gradient_shap", "saliency", "feature_ablation"])
    found = []
    for number in range(SETS):
        made = {name: x.numpy() for name, x in states(count, seed + number).items()}
        found.append(explain(policy, States(made, FEATURES), settings, GradientLimits())[0])
    return found


def _units(found: Explanation) -> dict[str, Unit | BranchShare]:
    return {f"{branch}/{name}": unit for branch, units in found.units.items() for name, unit in units.items()}


def _branches(found: Explanation) -> dict[str, Unit | BranchShare]:
    return dict(found.branches)


def _means(sets: list[dict[str, Unit | BranchShare]]) -> dict[str, float]:
    return {name: statistics.fmean(one[name].share or 0.0 for one in sets) for name in sets[0]}


def _say(label: str, value: float, error: float) -> None:
    sys.stdout.write(f"{label:<66} {value:6.3f} ± {error:.3f}\n")


if __name__ == "__main__":
    main()
