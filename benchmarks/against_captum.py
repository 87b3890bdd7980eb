"""Integrated and expected gradients of fxwatch beside Captum's, on the same policies, states and baselines, in one run.

    python -m benchmarks.against_captum

The reference is Captum's integrated gradients with 1024 steps, from the same 8 baselines. Error: the distance of the
attributions by unit from it, relative to its length, mean over states. Missed: what they miss of the change.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from captum.attr import GradientShap
from torch import Tensor, nn

from benchmarks import planted_truth
from fxwatch.attribution import grid, integrated
from fxwatch.attribution.baselines import baselines
from fxwatch.attribution.policy import Explained, Meter
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import Units, spread, sum_over_time
from fxwatch.records.settings import AnalysisSettings

STATES = 16
REFERENCE_STEPS = 1024


class Rectified(nn.Module):
    """A perceptron with kinks, as Stable-Baselines3 makes with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(90, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))

    def forward(self, hf: Tensor, mf: Tensor, portfolio: Tensor) -> dict[str, Tensor]:
        """Three logits."""
        flat = torch.cat([hf.flatten(1), mf.flatten(1), portfolio.flatten(1)], 1)
        return {"action_type": 4 * self.body(flat)}


@dataclass(frozen=True, slots=True)
class Made:
    """Attributions by unit (N, units), and what they cost."""

    units: Tensor
    gradients: int
    seconds: float


def main() -> None:
    """Print a table for each policy."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    policies = {
        "a transformer that learned a rule": planted_truth.train(0, 400).policy,
        "the same, before it learned": planted_truth.Policy().eval(),
        "a perceptron with ReLU": Rectified(),
    }
    for name, policy in policies.items():
        _table(name, _subject(policy))


def _table(name: str, subject: Subject) -> None:
    reference = _steps(subject, REFERENCE_STEPS).units.double()
    change = (subject.values(subject.inputs, subject.choice) - _mean_left(subject)).double()
    asked: dict[str, Callable[[], Made]] = {
        "Captum IntegratedGradients, 20 steps": lambda: _steps(subject, 20),
        "Captum IntegratedGradients, 50 steps (its default)": lambda: _steps(subject, 50),
        "fxwatch integrated_gradients": lambda: _timed(
            subject, lambda: integrated.integrated_gradients(subject).attributions
        ),
        "Captum GradientShap, 32 samples": lambda: _shap(subject, 32),
        "Captum GradientShap, 256 samples": lambda: _shap(subject, 256),
        "fxwatch expected_gradients, grid of 8 × 4": lambda: _timed(
            subject, lambda: grid.expected_gradients(subject, subject.inputs, subject.choice, 4)
        ),
    }
    sys.stdout.write(f"\n{name:<52} {'error':>8} {'missed':>8} {'gradients':>10} {'seconds':>8}\n")
    for label, ask in asked.items():
        made = ask()
        units = made.units.double()
        error = float(((units - reference).norm(dim=1) / reference.norm(dim=1)).mean())
        missed = float((units.sum(1) - change).abs().sum() / change.abs().sum())
        row = f"{error:8.4f} {missed:8.4f} {made.gradients / STATES:10.0f} {made.seconds:8.3f}"
        sys.stdout.write(f"{label:<52} {row}\n")


def _subject(policy: nn.Module) -> Subject:
    for parameter in policy.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003
    inputs = tuple(planted_truth.states(STATES, 3).values())
    with torch.no_grad():
        choice = policy(*inputs)["action_type"].argmax(1)
    explained = Explained(policy, "action_type", Meter())
    units = Units(planted_truth.FEATURES)
    return Subject(
        explained, inputs, choice, baselines("background", inputs), units, spread(inputs), AnalysisSettings()
    )


def _mean_left(subject: Subject) -> Tensor:
    left = torch.stack(
        [subject.values(subject.baselines.samples, choice.expand(subject.baselines.count)) for choice in subject.choice]
    )
    return left.mean(1)


def _steps(subject: Subject, steps: int) -> Made:
    fixed = replace(subject, settings=AnalysisSettings(n_steps=steps))
    return _timed(fixed, lambda: integrated.integrated_gradients(fixed).attributions)


def _shap(subject: Subject, samples: int) -> Made:
    method = GradientShap(subject.explained)

    def ask() -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = method.attribute(
            subject.inputs,
            baselines=subject.baselines.samples,
            n_samples=samples,
            additional_forward_args=(subject.choice,),
        )
        return found

    return _timed(subject, ask)


def _timed(subject: Subject, ask: Callable[[], tuple[Tensor, ...]]) -> Made:
    before, began = subject.explained.meter.backwards, time.perf_counter()
    found = sum_over_time(ask()).detach()
    return Made(found, subject.explained.meter.backwards - before, time.perf_counter() - began)


if __name__ == "__main__":
    main()
