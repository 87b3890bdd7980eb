"""Do the methods agree? Rank correlation between every two of them, one vote for those that say the same."""

import math
from collections.abc import Mapping
from itertools import combinations
from statistics import fmean, pstdev

import torch
from torch import Tensor

from fxwatch.attribution.methods import BY_GRADIENTS
from fxwatch.attribution.statistics import jaccard, spearman, standard_error, that_count
from fxwatch.records.analysis import Consensus, Pair

SAME_VOTER = 0.98
HIGH = 0.7


def consensus(voters: Mapping[str, Tensor]) -> Consensus:
    """Agreement of methods: name -> signed attributions (N, units), in order of precedence.

    By state and then averaged, so that a few loud states do not decide, over the features that either gives anything.
    Methods of one kind, with gradients or without, that are correlated above 0.98 share a vote, cast by the first of
    them: they are no witnesses for each other.
    """
    by_state = {(a, b): _by_state(voters[a], voters[b]) for a, b in combinations(voters, 2)}
    pairs = [_pair(names, voters, correlation) for names, correlation in by_state.items()]
    known = [pair for pair in pairs if pair is not None]
    groups = _merge(list(voters), {pair.methods: pair.spearman for pair in known})
    votes = [by_state[a[0], b[0]] for a, b in combinations(groups, 2)]
    means = [float(vote.nanmean()) for vote in votes if bool(torch.isfinite(vote).any())]
    if not means:
        said = (
            "all methods say the same and count as one voter"
            if len(voters) > 1
            else "fewer than two methods could vote"
        )
        return Consensus(voters=groups, pairs=known, reason=said)
    return Consensus(
        mean_correlation=fmean(means),
        standard_error=standard_error(torch.stack(votes).nanmean(0)),
        min_correlation=min(means),
        std_correlation=pstdev(means),
        agreement_score=sum(mean > HIGH for mean in means) / len(means),
        voters=groups,
        pairs=known,
    )


def _by_state(a: Tensor, b: Tensor) -> Tensor:
    """Rank correlation of two methods at each state: (N,)."""
    counted = that_count(a, b)
    return spearman(a[:, counted].double().abs(), b[:, counted].double().abs())


def _pair(names: tuple[str, str], voters: Mapping[str, Tensor], correlation: Tensor) -> Pair | None:
    mean = float(correlation.nanmean())
    if math.isnan(mean):  # no state in which both methods tell units apart
        return None
    a, b = (voters[name].double() for name in names)
    told = (a != 0) & (b != 0)
    signs = float((a.sign() == b.sign())[told].double().mean()) if bool(told.any()) else None
    return Pair(methods=names, spearman=mean, jaccard10=float(jaccard(a.abs(), b.abs()).mean()), sign_agreement=signs)


def _merge(names: list[str], correlation: Mapping[tuple[str, str], float]) -> list[list[str]]:
    """Each method joins the first voter of its kind whose every member it equals."""
    groups: list[list[str]] = []
    for name in names:
        for group in groups:
            alike = (name in BY_GRADIENTS) == (group[0] in BY_GRADIENTS)
            if alike and all(correlation.get((member, name), 0.0) > SAME_VOTER for member in group):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups
