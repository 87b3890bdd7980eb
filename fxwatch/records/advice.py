"""The guide's causes and remedies for each kind of finding, as data."""

from typing import NamedTuple


class Advice(NamedTuple):
    """What may cause a finding, and what to do about it."""

    causes: list[str]
    remedies: list[str]


NONE = Advice([], [])

ADVICE: dict[str, Advice] = {
    "consensus": Advice(
        [
            "model architecture too complex",
            "inconsistent feature preprocessing",
            "training instability",
            "data quality issues",
        ],
        [
            "simplify model architecture",
            "verify feature normalization",
            "reduce learning rate",
            "check for data leakage",
        ],
    ),
    "sparsity.low": Advice(
        ["all features count about the same: the policy may be untrained, or its inputs redundant"],
        ["train longer and look again", "combine correlated features"],
    ),
    "sparsity.high": Advice(
        ["few features do all the work", "wrong feature scaling of the others"],
        ["check the scaling of the features that count for nothing", "remove consistently unused features"],
    ),
    "concentration.low": Advice(
        ["no clear important features: the policy may be untrained, or its inputs redundant"],
        ["train longer and look again", "combine correlated features"],
    ),
    "concentration.high": Advice(
        ["over-concentrated on few features", "a feature that leaks the future", "wrong feature scaling"],
        ["check the leading features for data leakage", "verify feature normalization", "add regularization"],
    ),
    "infidelity": Advice(
        ["strong interactions between features", "a function too rough for its attribution"],
        [
            "do not cut features by these rankings alone",
            "read the ablation ranking beside them",
            "reduce model complexity",
        ],
    ),
    "sensitivity": Advice(
        ["the policy reacts to noise: over-fitting", "inputs that are not normalised"],
        ["add regularization", "verify feature normalization", "reduce learning rate"],
    ),
    "completeness": Advice(
        [
            "a rough function that the path between baseline and state does not resolve",
            "random layers active in evaluation",
        ],
        ["set n_steps to a larger number", "make sure that the model is deterministic in eval mode"],
    ),
    "gradient_flow.vanishing": Advice(
        ["model too deep", "learning rate too low", "saturated activation functions"],
        ["reduce model depth", "increase learning rate", "add residual connections", "check activation functions"],
    ),
    "gradient_flow.exploding": Advice(
        ["learning rate too high", "wrong weight initialization", "model too complex"],
        ["reduce learning rate", "add gradient clipping", "check weight initialization", "reduce model complexity"],
    ),
    "gradient_flow.zero": Advice(
        ["dead activations (ReLU units that never fire)", "an output that is multiplied by nought"],
        ["check activation functions", "check weight initialization", "reduce learning rate"],
    ),
    "gradient_flow.unused": Advice(
        ["a layer whose output is computed and dropped, or never computed"],
        ["remove the layer, or connect its output"],
    ),
    "gradient_flow.nonfinite": Advice(
        ["weights or activations have overflowed"],
        ["go back to the last checkpoint without NaN", "reduce learning rate", "add gradient clipping"],
    ),
    "gradient_flow.drops": Advice(
        ["saturated activation functions", "a bottleneck between these layers", "wrong weight initialization"],
        ["add residual connections", "add normalisation between these layers", "check weight initialization"],
    ),
    "dead_features": Advice(
        ["poor feature engineering", "redundant features", "wrong feature scaling", "model capacity issues"],
        [
            "remove consistently unused features",
            "combine correlated features",
            "improve feature preprocessing",
            "increase model capacity",
        ],
    ),
    "stability": Advice(
        ["training instability", "insufficient data", "model overfitting", "poor episode termination"],
        [
            "increase training stability (lower LR)",
            "more training episodes",
            "add regularization",
            "review episode reset logic",
        ],
    ),
    "dominance": Advice(
        ["over-reliance on one input", "a feature that leaks the future", "wrong feature scaling"],
        ["check this feature for data leakage", "verify feature normalization", "add regularization"],
    ),
    "weak_scores": Advice(
        ["model not using features effectively"],
        ["train longer and look again", "improve feature preprocessing", "remove redundant features"],
    ),
    "branches": Advice(
        ["the branches' contributions are out of balance"],
        [
            "check the scaling of this branch's features against the others'",
            "adapt [expected] in the config if this is meant",
        ],
    ),
    "branches.unseen": Advice(
        ["the branch holds integers that the model looks up", "the branch is detached or rounded on its way"],
        ['set [analysis] primary_method = "feature_ablation", which needs no gradient'],
    ),
    "branches.portfolio.low": Advice(
        ["model not properly considering current state"],
        ["check the scaling of the portfolio features", "make sure that the reward depends on the position"],
    ),
    "branches.hf.high": Advice(
        ["over-fitting to noise"],
        ["add regularization", "lengthen the horizon of the reward", "smooth the fastest features"],
    ),
    "branches.mf.high": Advice(
        ["over-reliance on lagging indicators"], ["add faster features", "remove redundant indicators"]
    ),
    "branches.lf.high": Advice(
        ["model may be too slow to react"],
        ["check the scaling of the faster branches", "shorten the horizon of the reward"],
    ),
    "trust": Advice(
        ["the policy has learned little yet", "a function too rough for its attribution", "too few states"],
        [
            "do not cut features by these rankings",
            "look again after more training",
            "dump more states, raise max_states",
        ],
    ),
    "precision": Advice(
        ["a time in seconds, or a price level, as it is"],
        ["subtract a start or a mean, in double precision, before the policy sees it"],
    ),
    "normalisation": Advice(
        ["observations were dumped as the environment gives them, and not as they are handed on to the policy"],
        [
            "dump what the policy sees, as fxwatch.callbacks.sb3 and fxwatch.recorder do",
            'or put mean/BRANCH and var/BRANCH into the dump, with normalised = "false"',
            'a dump that is normalised says normalised = "true"',
        ],
    ),
    "states": Advice(
        ["a division by nought or a logarithm in the feature pipeline", "missing prices"],
        ["find what the feature computes in those states, and repair it there"],
    ),
}


def advice(*keys: str) -> Advice:
    """The advice under the first of some keys that has any."""
    return next((ADVICE[key] for key in keys if key in ADVICE), NONE)
