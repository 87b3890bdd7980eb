"""How far an attribution can be trusted, in numbers with their standard errors."""

from fxwatch.records.base import Record, Verdict


class Estimate(Record):
    """A number, its standard error over states where it is an estimate, and why it is missing where it is."""

    value: float | None = None
    standard_error: float | None = None
    verdict: Verdict = "unknown"
    reason: str | None = None


class Concentration(Estimate):
    """Herfindahl index of shares; `effective_features` is its inverse; `gini` stands beside it and judges nothing."""

    effective_features: float | None = None
    gini: float | None = None


class Infidelity(Estimate):
    """Unexplained fraction of output changes; `fvu` is the same without fitting the scale, so it may exceed 1."""

    fvu: float | None = None


class Sensitivity(Estimate):
    """Largest relative change of the attribution under noise of `radius` feature sigmas; `mean` over the draws."""

    mean: float | None = None
    radius: float | None = None


class QualityMetrics(Record):
    """How far the attribution can be trusted, and how importance is spread."""

    sparsity: Estimate = Estimate()
    concentration: Concentration = Concentration()
    infidelity: Infidelity = Infidelity()
    sensitivity: Sensitivity = Sensitivity()
    completeness: Estimate = Estimate()


class OrderTest(Estimate):
    """By how much the order of attributions beats random orders, in deviations of the output over states."""


class SimilarityTest(Estimate):
    """Rank correlation, with signs, of two attributions that must differ."""


class RandomisationTest(Estimate):
    """Rank correlation of importances with those of models whose weights are shuffled.

    `among_random` is the mean correlation between such models, which is what no explanation can fall below;
    `architecture` identifies the model that was tested, and `measured_at` the analysis that did, once for all.
    """

    among_random: float | None = None
    among_random_deviation: float | None = None
    architecture: str | None = None
    measured_at: str | None = None


class Trust(Record):
    """Tests of the explanation itself, against what chance or a model that learned nothing would give."""

    deletion: OrderTest = OrderTest()
    insertion: OrderTest = OrderTest()
    parameter_randomisation: RandomisationTest = RandomisationTest()
    random_logit: SimilarityTest = SimilarityTest()
    verdict: Verdict = "unknown"
