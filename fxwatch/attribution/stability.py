"""Do the rankings hold still? Now and at the previous analysis, on the same states, against sampling noise."""

import torch
from torch import Tensor

from fxwatch.attribution.importance import known, shares
from fxwatch.attribution.statistics import jaccard, kendall, rank_biased_overlap, spearman, that_count
from fxwatch.records.analysis import Stability

SPLITS = 200
FEWEST_STATES = 4
_LOW = 0.025


def stability(probe: Tensor, previous: Tensor | None, previous_id: str | None) -> Stability:
    """Spearman correlation and Jaccard@10 of importance now and then: signed attributions (states, units) of the probe.

    `null_low`: below it lie 2.5 % of the correlations between random halves of the probe, at this checkpoint alone.
    """
    if not bool(probe.isfinite().all()):
        return Stability(reason="the attributions on the probe states hold NaN or Inf")
    now = probe.double().abs()
    null_low = _null_low(now[:, that_count(now)])
    if previous is None or previous_id is None:
        return Stability(null_low=null_low, reason="no previous analysis on the same probe states")
    if previous.shape != probe.shape:
        return Stability(null_low=null_low, reason="the previous analysis had other features or states")
    if not bool(previous.isfinite().all()):
        return Stability(null_low=null_low, reason="the previous attributions hold NaN or Inf")
    before = previous.double().abs()
    counted = that_count(now, before)
    a, b = now[:, counted].mean(0), before[:, counted].mean(0)
    return Stability(
        previous=previous_id,
        spearman=known(spearman(a, b)),
        kendall=known(kendall(a, b)),
        rank_biased_overlap=rank_biased_overlap(a, b),
        total_variation=float((shares(a) - shares(b)).abs().sum() / 2),
        jaccard10=known(jaccard(a, b)),
        null_low=null_low,
        reason=None if null_low is not None else f"fewer than {FEWEST_STATES} probe states: no noise band",
    )


def _null_low(importance: Tensor) -> float | None:
    count = len(importance)
    if count < FEWEST_STATES:
        return None
    generator = torch.Generator().manual_seed(0)
    order = torch.rand(SPLITS, count, generator=generator).argsort(1)
    first = importance[order[:, : count // 2]].mean(1)
    second = importance[order[:, count // 2 :]].mean(1)
    correlations = spearman(first, second)
    found = correlations[torch.isfinite(correlations)]
    return float(torch.quantile(found, _LOW)) if len(found) else None
