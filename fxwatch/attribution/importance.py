"""How important each feature and branch is, and how sure that is."""

import torch
from torch import Tensor

from fxwatch.attribution.statistics import expanded_tail, resampled_means
from fxwatch.attribution.units import Units
from fxwatch.records.analysis import BranchShare, Unit
from fxwatch.records.base import finite
from fxwatch.records.decisions import Ranking


def shares(importance: Tensor) -> Tensor:
    """Importance as shares that sum to 1 along the last axis; all nought where nothing has any importance."""
    total = importance.sum(-1, keepdim=True)
    return torch.where(total > 0, importance / total.clamp_min(torch.finfo(importance.dtype).tiny), 0.0)


def unit_importance(signed: Tensor, units: Units) -> tuple[dict[str, dict[str, Unit]], dict[str, BranchShare]]:
    """Shares of units and branches, with 95 % bootstrap intervals over states: signed (N, units)."""
    signed = signed.double()
    share = shares(signed.abs().mean(0))
    drawn = shares(resampled_means(signed.abs())) if len(signed) > 1 else None
    low, high = _interval(drawn, share, len(signed))
    by_unit = {
        branch: {
            name: Unit(
                share=float(share[place]),
                signed=float(signed[:, place].mean()),
                low=float(low[place]),
                high=float(high[place]),
            )
            for place, name in enumerate(units.features[branch], rows.start)
        }
        for branch, rows in units.slices().items()
    }
    by_branch = {}
    for branch, rows in units.slices().items():
        value = share[rows].sum()
        low, high = _interval(None if drawn is None else drawn[:, rows].sum(1, keepdim=True), value[None], len(signed))
        by_branch[branch] = BranchShare(share=float(value), low=float(low[0]), high=float(high[0]))
    return by_unit, by_branch


def rankings(signed: Tensor, units: Units) -> dict[str, Ranking]:
    """Features of each branch, best first; a score is importance over the length of its branch's vector."""
    importance = signed.double().abs().mean(0)
    found = {}
    for branch, rows in units.slices().items():
        part = importance[rows]
        length = part.norm()
        scores = part / length if length > 0 else part
        order = scores.argsort(descending=True, stable=True).tolist()
        found[branch] = [(units.features[branch][place], float(scores[place])) for place in order]
    return found


def known(value: Tensor) -> float | None:
    """A tensor's only number, or None where it is not finite."""
    return finite(float(value))


def _interval(drawn: Tensor | None, value: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Percentiles over the resamples; a single state has no spread, and its interval is the value itself."""
    if drawn is None:
        return value, value
    tail = expanded_tail(count)
    low, high = torch.quantile(drawn, torch.tensor([tail, 1 - tail], dtype=drawn.dtype), dim=0)
    return low, high
