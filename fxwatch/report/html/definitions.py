"""How each number is defined, and when it is well: the words of docs/numbers.md."""

from typing import NamedTuple


class Definition(NamedTuple):
    """A number's name, what it is, and where it is well."""

    name: str
    what: str
    well: str


DEFINITIONS = [
    Definition(
        "score (in rankings)",
        "importance over the length (L2) of its branch's vector",
        "the best of some branch ≥ 0.3",
    ),
    Definition(
        "share",
        "importance over that of all units; shares sum to 1; 95 % bootstrap interval over states",
        "–",
    ),
    Definition("branch share", "sum of its units' shares", "in its expected band"),
    Definition(
        "consensus",
        "Spearman correlation of unit importances between methods, by state, averaged over states and pairs "
        "of voters, over the features that either method gives anything; methods of one kind (with gradients,"
        " or without) that are correlated above 0.98 share a vote",
        "≥ 0.7",
    ),
    Definition(
        "sparsity",
        "fraction of units with less than a tenth of the mean importance, by state, averaged",
        "0.1 to 0.6",
    ),
    Definition(
        "concentration",
        "Herfindahl index Σ p², by state, averaged; its inverse is the effective number of features",
        "0.05 to 0.5",
    ),
    Definition(
        "infidelity",
        "1 - E[ab]²/(E[a²]E[b²]), with a the attributions of a random tenth of the units (the tenths of random "
        "partitions; pairs where units are fewer than 20) and b what the output changes when these are replaced "
        "from the baselines",
        "≤ 0.05",
    ),
    Definition(
        "sensitivity",
        "largest relative change of the attribution under noise of ±0.02 of each feature's deviation, 10 "
        "draws, averaged over 8 states; over all states where there is one baseline, relative to integrated gradients",
        "≤ 0.1",
    ),
    Definition("completeness", "Σ|Σφ - Δf| / Σ|Δf|: what the attributions miss of the change of output", "≤ 0.05"),
    Definition(
        "gradient norm",
        "L2 norm of the gradient of the chosen logit plus value, mean over states, by the parameters of a layer",
        "1e-7 to 1e3",
    ),
    Definition(
        "dead features",
        "constant input: the column is the same in all states; zero projection: no first layer reads it, by "
        "its weights, in these states and at random points; no functional effect: swapping it between these "
        "states, in two ways, moves no output by 1 % of its deviation; low importance: less than a tenth of "
        "an even share in 90 % of the last analyses, and an effect of at most 2 % now",
        "≤ 5, and not all",
    ),
    Definition(
        "stability",
        "Spearman correlation of importances with the previous analysis, on the run's fixed probe states",
        "above the band of sampling noise (2.5th percentile of random halves of the probe)",
    ),
    Definition(
        "attention entropy",
        "entropy of a query's weights over its maximum, by state and query, averaged: 0 attends to one key, 1"
        " to all alike",
        "–",
    ),
    Definition(
        "attention stability",
        "1 - Jensen-Shannon divergence between a query's weights in this analysis and the previous one, by "
        "state and query, averaged over at most 8 probe states",
        "–",
    ),
    Definition(
        "deletion, insertion",
        "how much faster the output falls when units go in the order of attribution than in random order, and"
        " rises when they come; in its deviations over states",
        "above nought by two standard errors",
    ),
    Definition(
        "parameter randomisation",
        "correlation of importances with those of four models with shuffled weights; once for an architecture",
        "within two deviations of what these have among themselves, and ≤ 0.9",
    ),
    Definition("random logit", "correlation of the attributions with those of another action", "≤ 0.9"),
]
