"""How importance is spread over units: sparsity and concentration, by state and then averaged."""

import torch
from torch import Tensor

from fxwatch.attribution.importance import shares
from fxwatch.attribution.statistics import standard_error
from fxwatch.records.quality import Concentration, Estimate

_LITTLE = 0.1
_NOTHING = "no feature has any importance in any state"
_ALONE = "there is a single feature, which has all importance whatever it is"


def sparsity(signed: Tensor) -> Estimate:
    """Fraction of units with less than a tenth of the mean importance: mean over states of #{p_j < 0.1/F} / F.

    A fixed share of the mean, so that neither the scale nor the length of a branch changes it. signed: (N, units).
    """
    if signed.shape[1] == 1:
        return Estimate(reason=_ALONE)
    share = _told(signed)
    if not len(share):
        return Estimate(reason=_NOTHING)
    by_state = (share < _LITTLE / share.shape[1]).double().mean(1)
    return Estimate(value=float(by_state.mean()), standard_error=standard_error(by_state))


def concentration(signed: Tensor) -> Concentration:
    """Herfindahl index Σ p_j², 1/F when all units count alike and 1 when one counts alone: mean over states.

    Its inverse is the effective number of features. Beside it Gini's index, 0 when all count alike (Hurley & Rickard
    2009, arXiv 0811.4706), which is high for anything with a structure, and so is not judged. signed: (N, units).
    """
    if signed.shape[1] == 1:
        return Concentration(reason=_ALONE)
    share = _told(signed)
    if not len(share):
        return Concentration(reason=_NOTHING)
    by_state = share.square().sum(1)
    value = float(by_state.mean())
    units = share.shape[1]
    places = 2 * torch.arange(1, units + 1, dtype=share.dtype) - units - 1
    gini = float((share.sort(1).values * places).sum(1).mean() / units)
    return Concentration(value=value, standard_error=standard_error(by_state), effective_features=1 / value, gini=gini)


def _told(signed: Tensor) -> Tensor:
    """Shares at the states in which any feature has importance: there is nothing to spread in the others."""
    importance = signed.double().abs()
    return shares(importance[importance.sum(1) > 0])
