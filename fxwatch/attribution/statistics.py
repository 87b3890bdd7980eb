"""Rank correlation, intervals and standard errors over states, all with fixed seeds."""

from collections.abc import Callable
from statistics import NormalDist

import torch
from torch import Tensor

from fxwatch.records.student import student_quantile

RESAMPLES = 1000
_NOTHING = 1e-6


def ranks(values: Tensor) -> Tensor:
    """Ranks along the last axis, 1 for the smallest; ties share their mean rank."""
    ordered, order = values.sort(dim=-1)
    place = torch.arange(1, values.shape[-1] + 1, dtype=torch.float64).expand_as(order)
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    group = starts.long().cumsum(-1) - 1
    total = torch.zeros(values.shape, dtype=torch.float64).scatter_add_(-1, group, place)
    size = torch.zeros(values.shape, dtype=torch.float64).scatter_add_(-1, group, torch.ones_like(place))
    shared = (total / size.clamp_min(1)).gather(-1, group)
    return torch.zeros(values.shape, dtype=torch.float64).scatter_(-1, order, shared)


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Spearman correlation along the last axis; NaN where either is constant."""
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
    length = (x.square().sum(-1) * y.square().sum(-1)).sqrt()
    return torch.where(length > 0, (x * y).sum(-1) / length, torch.nan).clamp(-1, 1)


def that_count(*attributions: Tensor) -> Tensor:
    """Units that any of several attributions (…, units) gives anything, a mask (units,).

    Features that do nothing for all of them share the lowest rank, and would make all rankings alike.
    """
    largest = torch.stack([one.detach().abs().double().flatten(0, -2).amax(0) for one in attributions])
    return (largest > _NOTHING * largest.amax(1, keepdim=True)).any(0)


def kendall(a: Tensor, b: Tensor) -> Tensor:
    """Kendall's τ-b of two vectors; NaN where either is constant."""
    order_a, order_b = ((x[:, None] - x[None, :]).sign().double() for x in (a, b))
    agree, told_a, told_b = (order_a * order_b).sum(), order_a.square().sum(), order_b.square().sum()
    return torch.where(told_a * told_b > 0, agree / (told_a * told_b).sqrt(), torch.nan)


def rank_biased_overlap(a: Tensor, b: Tensor, persistence: float = 0.9) -> float:
    """Overlap of two rankings, largest first, that weighs depth d by p^(d-1), with the unseen tail extrapolated.

    Webber, Moffat and Zobel 2010, equation 32, for two full rankings.
    """
    first, second = a.argsort(descending=True, stable=True).tolist(), b.argsort(descending=True, stable=True).tolist()
    total, weight, overlap = 0.0, 1.0, 0
    seen: tuple[set[int], set[int]] = (set(), set())
    for depth, (x, y) in enumerate(zip(first, second, strict=True), 1):
        seen[0].add(x)
        seen[1].add(y)
        overlap = len(seen[0] & seen[1])
        total += weight * overlap / depth
        weight *= persistence
    return (1 - persistence) * total + weight * overlap / len(first)


def jaccard(a: Tensor, b: Tensor, top: int = 10) -> Tensor:
    """Overlap of the `top` largest along the last axis: size of the intersection over the union."""
    top = min(top, a.shape[-1])
    first, second = _top(a, top), _top(b, top)
    return (first & second).sum(-1).double() / (first | second).sum(-1)


def standard_error(values: Tensor) -> float | None:
    """Standard error of the mean of independent values; None for fewer than two."""
    known = values[torch.isfinite(values)]
    return float(known.std() / len(known) ** 0.5) if len(known) > 1 else None


def jackknife(per_state: Tensor, statistic: Callable[[Tensor], Tensor]) -> float | None:
    """Standard error of a statistic of sums over states: `per_state` (N, terms), by leaving out one state at a time."""
    count = len(per_state)
    if count < 2:
        return None
    left_out = statistic(per_state.sum(0) - per_state)
    return float(((count - 1) / count * (left_out - left_out.mean()).square().sum()).sqrt())


def resampled_means(per_state: Tensor, seed: int = 0) -> Tensor:
    """Means over states drawn with replacement: (N, M) -> (RESAMPLES, M)."""
    count = len(per_state)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(count, (RESAMPLES, count), generator=generator)
    weights = torch.zeros(RESAMPLES, count, dtype=per_state.dtype).scatter_add_(
        1, drawn, torch.ones(RESAMPLES, count, dtype=per_state.dtype)
    )
    return weights @ per_state / count


def expanded_tail(count: int) -> float:
    """The tail to cut from a bootstrap over so many states for a 95 % interval.

    Percentiles at 2.5 % are too narrow for few states, as they lack both the factor N/(N-1) and Student's t; this makes
    up for it (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section 5.3).
    """
    student = student_quantile(0.975, count - 1)
    return NormalDist().cdf(-student * (count / (count - 1)) ** 0.5)


def _top(values: Tensor, count: int) -> Tensor:
    chosen = values.topk(count, dim=-1).indices
    return torch.zeros_like(values, dtype=torch.bool).scatter_(-1, chosen, value=True)
