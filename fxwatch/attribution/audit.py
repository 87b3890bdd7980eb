"""The audit: what ranks, computed once more by plain Captum, from the beginning, and held against what was published.

Nothing is shared with the engine but the choice of the scalar and of the baselines.
"""

import time
import warnings
from collections.abc import Callable, Collection, Iterable

import captum
import torch
from captum.attr import DeepLift, FeatureAblation, InputXGradient, IntegratedGradients, Saliency
from torch import Tensor, nn

from fxwatch.attribution.baselines import Baselines, baselines
from fxwatch.attribution.explain import answers, dumped_actions, target_of, tensors
from fxwatch.attribution.importance import shares
from fxwatch.attribution.methods.perturbation import of_units, unit_masks
from fxwatch.attribution.policy import BATCH, AttributionError, Branches, Explained, Meter, choose
from fxwatch.attribution.statistics import spearman
from fxwatch.attribution.subject import rows_of
from fxwatch.attribution.units import spread, sum_over_time
from fxwatch.records.analysis import Explanation
from fxwatch.records.audit import Audit
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States

STEPS = 32

_Ask = Callable[[Explained, Branches, Tensor, Baselines], Tensor]


def due(digest: str, every: int) -> bool:
    """Whether an analysis is audited: one in `every`, told by its digest, so that it is the same one when run again."""
    return every > 0 and int(digest[:8], 16) % every == 0


def audit(
    policy: nn.Module,
    states: States,
    settings: AnalysisSettings,
    explanation: Explanation,
    *,
    continuous: Collection[str] = (),
) -> Audit:
    """The primary method's attributions by plain Captum, against those of the explanation of the same states."""
    began = time.perf_counter()
    method = settings.primary_method
    if method not in _BY_CAPTUM:
        return Audit(method=method, reason="Captum has no other way to compute it than the one that is published")
    words, ask = _BY_CAPTUM[method]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Captum's notes on its own hooks, which nobody here can act upon
            found = _signed(policy, states, settings, ask, continuous).double()
    except Exception as error:  # noqa: BLE001 - whatever a stranger's model raises is the reason that is published
        lines = str(error).strip().splitlines()
        return Audit(method=method, reason=f"{type(error).__name__}: {lines[0] if lines else 'no message'}")
    published = [unit for branch in explanation.units.values() for unit in branch.values()]
    signed = torch.tensor([unit.signed for unit in published], dtype=torch.float64)
    share = torch.tensor([unit.share for unit in published], dtype=torch.float64)
    right, mean = shares(found.abs().mean(0)), found.mean(0)
    agreement = float(spearman(share, right))
    return Audit(
        method=method,
        by=f"captum {captum.__version__}: {words}",
        largest_share_difference=float((share - right).abs().max()),
        relative_difference=float((signed - mean).norm() / mean.norm()) if bool(mean.any()) else None,
        spearman=agreement if agreement == agreement else None,  # noqa: PLR0124 - NaN
        seconds=round(time.perf_counter() - began, 4),
    )


def _signed(
    policy: nn.Module, states: States, settings: AnalysisSettings, ask: _Ask, continuous: Collection[str]
) -> Tensor:
    """Attributions by unit: (N, units)."""
    inputs = tensors(states, policy)
    outputs = answers(policy, inputs, Meter())
    target = target_of(settings, list(outputs))
    good = torch.stack([output.reshape(len(output), -1).isfinite().all(1) for output in outputs.values()]).all(0)
    if not bool(good.any()):
        raise AttributionError("the model answers every state with NaN or Inf")
    inputs, outputs = rows_of(inputs, good), {name: output[good] for name, output in outputs.items()}
    choice = choose(outputs, target, dumped_actions(states, good), continuous=target in continuous).index
    compared = baselines(settings.baseline_type, inputs)
    explained = Explained(policy, target, Meter())
    found = [
        ask(explained, rows_of(inputs, slice(row, row + 1)), choice[row : row + 1], compared)
        for row in range(len(choice))
    ]
    units = torch.cat(found).detach()
    return units * spread(inputs) if settings.primary_method == "saliency" else units


def _integrated(explained: Explained, inputs: Branches, choice: Tensor, compared: Baselines) -> Tensor:
    method = IntegratedGradients(explained)
    made = []
    for row in range(compared.count):
        found = method.attribute(
            inputs,
            baselines=rows_of(compared.samples, slice(row, row + 1)),
            n_steps=STEPS,
            additional_forward_args=(choice,),
            internal_batch_size=BATCH,
        )
        made.append(sum_over_time(found).detach())
    return torch.stack(made).mean(0)


def _saliency(explained: Explained, inputs: Branches, choice: Tensor, _compared: Baselines) -> Tensor:
    return sum_over_time(Saliency(explained).attribute(_asking(inputs), abs=False, additional_forward_args=(choice,)))


def _input_x_gradient(explained: Explained, inputs: Branches, choice: Tensor, _compared: Baselines) -> Tensor:
    return sum_over_time(InputXGradient(explained).attribute(_asking(inputs), additional_forward_args=(choice,)))


def _deep_lift(explained: Explained, inputs: Branches, choice: Tensor, compared: Baselines) -> Tensor:
    method = DeepLift(explained)
    return sum_over_time(method.attribute(inputs, baselines=compared.centre, additional_forward_args=(choice,)))


def _ablation(explained: Explained, inputs: Branches, choice: Tensor, compared: Baselines) -> Tensor:
    found = FeatureAblation(explained).attribute(
        inputs, baselines=compared.centre, feature_mask=unit_masks(inputs), additional_forward_args=(choice,)
    )
    return of_units(found)


def _asking(inputs: Iterable[Tensor]) -> Branches:
    return tuple(x.detach().requires_grad_() for x in inputs)


_PATH = f"IntegratedGradients, {STEPS} steps from each baseline"
_BY_CAPTUM: dict[str, tuple[str, _Ask]] = {
    "integrated_gradients": (_PATH, _integrated),
    "expected_gradients": (_PATH, _integrated),
    "gradient_shap": (_PATH, _integrated),
    "deep_lift": ("DeepLift", _deep_lift),
    "saliency": ("Saliency", _saliency),
    "input_x_gradient": ("InputXGradient", _input_x_gradient),
    "feature_ablation": ("FeatureAblation, a feature at a time", _ablation),
}
