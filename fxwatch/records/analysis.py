"""What an analysis is: everything that fxwatch says of one checkpoint over one dump, as analysis.json holds it."""

from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from fxwatch.records.audit import Audit
from fxwatch.records.base import Record, Verdict
from fxwatch.records.decisions import Decision, Ranking
from fxwatch.records.gradients import GradientFlow
from fxwatch.records.internals import Attention, LayerAttribution, NeuronAttributions
from fxwatch.records.quality import Estimate, QualityMetrics, Trust
from fxwatch.records.ranks import FeatureRanks
from fxwatch.records.thresholds import Band, Thresholds

SCHEMA_VERSION = 1


class Checkpoint(Record):
    """The file that was explained; `path` is relative to the watched folder."""

    path: str
    sha256: str
    format: str
    step: int | None = None
    update: int | None = None
    written_at: str | None = Field(default=None, description="when the file was last written, ISO 8601 in UTC")


class StatesUsed(Record):
    """The dump that it was explained over: `count` states, and each branch as [time, features]."""

    path: str
    sha256: str
    count: int
    branches: dict[str, tuple[int, int]]
    left_out: int = Field(default=0, description="states not analysed because they hold NaN or Inf")
    left_out_reason: str | None = None


class Target(Record):
    """The scalar that was explained, as the config names it and in words, and what the states were compared with."""

    config: str
    words: str
    baseline: str = ""


class Unit(Record):
    """One feature column of one branch, summed over its time steps.

    `share` is of all importance (all shares sum to 1), with its 95 % interval over states; `signed` is the mean signed
    attribution in units of the target.
    """

    share: float
    signed: float
    low: float
    high: float


class BranchShare(Record):
    """A branch's share of all importance, with its 95 % interval over states and the band that is expected.

    `reason` says why it has none although it counts: the primary method cannot see it, and its units' noughts are none.
    """

    share: float | None = None
    low: float | None = None
    high: float | None = None
    expected: Band | None = None
    verdict: Verdict = "unknown"
    reason: str | None = None


class Pair(Record):
    """Two methods, and how far they agree on the importance of units, averaged over states."""

    methods: tuple[str, str]
    spearman: float
    jaccard10: float
    sign_agreement: float | None = None


class Consensus(Record):
    """Agreement between voters: Spearman correlation of unit importances, by state, averaged over states.

    Methods that say the same (correlation above 0.98) are merged into one voter. `agreement_score` is the fraction of
    pairs of voters above 0.7. A method's own pairs are in `pairs`, merged or not; `ranks` holds the leading features.
    """

    mean_correlation: float | None = None
    standard_error: float | None = None
    min_correlation: float | None = None
    std_correlation: float | None = None
    agreement_score: float | None = None
    voters: list[list[str]] = []
    pairs: list[Pair] = []
    ranks: list[FeatureRanks] = []
    verdict: Verdict = "unknown"
    reason: str | None = None


Cause = Literal["constant_input", "zero_projection", "no_functional_effect", "low_importance"]
"""Why a feature does nothing."""


class DeadFeatures(Record):
    """Features that do nothing, by branch, and why: a `Cause`, or one that a later version knows.

    In JSON the branches stand beside the other keys: `{"hf": ["a"], "total_count": 1, "causes": {"hf": {"a": …}}, …}`.
    """

    branches: dict[str, list[str]] = {}
    total_count: int | None = None
    causes: dict[str, dict[str, str]] = {}
    verdict: Verdict = "unknown"
    reason: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _gather_branches(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "branches" in data:
            return data
        own = {key: value for key, value in data.items() if key in cls.model_fields}
        return {**own, "branches": {key: value for key, value in data.items() if key not in own}}

    @model_serializer(mode="wrap")
    def _spread_branches(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data = handler(self)
        return {**data.pop("branches"), **data}

    def cause_of(self, branch: str, feature: str) -> str:
        """Why a feature is dead, in words."""
        return self.causes.get(branch, {}).get(feature, "no cause given").replace("_", " ")


class Stability(Record):
    """Rankings on the run's fixed probe states against its previous analysis, and what sampling noise alone would give.

    `null_low` is the 2.5th percentile of the correlation between random halves of the probe at this checkpoint.
    `rank_biased_overlap` weighs the head of the ranking (p = 0.9); `total_variation` is half the summed change of
    shares.
    """

    previous: str | None = None
    spearman: float | None = None
    kendall: float | None = None
    rank_biased_overlap: float | None = None
    total_variation: float | None = None
    jaccard10: float | None = None
    null_low: float | None = None
    verdict: Verdict = "unknown"
    reason: str | None = None


class MethodReport(Record):
    """What became of a method: ok, degenerate (computed, but no vote), failed or skipped, and what it cost."""

    status: str
    reason: str | None = None
    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    convergence_delta: float | None = Field(default=None, description="largest error of completeness over states")
    steps: float | None = Field(default=None, description="mean number of steps of a path method")
    successive_change: float | None = Field(
        default=None, description="mean relative change of the attribution at the last doubling of steps"
    )


class Cost(Record):
    """`forwards`: samples through the model, with or without a backward; `backwards`: samples differentiated."""

    forwards: int
    backwards: int
    seconds: float
    peak_rss_bytes: int | None = None


class Finding(Record):
    """One thing that is not well: the rule that fired, since which step, what may cause it, what to do."""

    metric: str
    value: float | None
    threshold: float | None
    level: Verdict
    message: str
    since_step: int | None = None
    in_a_row: int = Field(default=1, description="analyses in a row that had it")
    about: list[str] = Field(
        default=[],
        description="what it is about: the side of its limit, or the layers or features that it names; it is the one "
        "that stood before where both share one of these, or both have none",
    )
    causes: list[str] = []
    remedies: list[str] = []


class Health(Record):
    """The verdict on the run at this checkpoint, and its reasons, worst first."""

    verdict: Verdict = "unknown"
    findings: list[Finding] = []


class Explanation(Record):
    """What attribution measures of a policy over some states, before anybody judges it."""

    target: Target
    feature_importance: dict[str, Ranking]
    units: dict[str, dict[str, Unit]]
    branches: dict[str, BranchShare]
    consensus: Consensus
    quality: QualityMetrics
    trust: Trust = Trust()
    gradient_flow: GradientFlow
    dead_features: DeadFeatures
    stability: Stability
    attention: Attention
    dormant_units: dict[str, float] | None = Field(
        default=None,
        description="fraction of dormant units that feed each linear layer, where track_activations is set",
    )
    layer_attribution: LayerAttribution | None = Field(
        default=None, description="what flows through each layer, where track_layers is set"
    )
    neurons: NeuronAttributions | None = Field(
        default=None, description="the leading neurons of the layer that neuron_layer names"
    )
    nonfinite_outputs: int = Field(
        default=0, description="states at which the model gives NaN or Inf; left out of all else"
    )
    decisions: dict[str, Decision]
    methods: dict[str, MethodReport]
    audit: Audit | None = Field(default=None, description="of one analysis in [analysis] audit_every")
    cost: Cost

    @property
    def layout(self) -> dict[str, list[str]]:
        """The names of all units, by branch."""
        return {branch: list(units) for branch, units in self.units.items()}

    def estimates(self) -> dict[str, Estimate]:
        """How far it can be trusted, in numbers: the agreement of methods, and the quality of the attribution."""
        agreement = self.consensus
        consensus = Estimate(
            value=agreement.mean_correlation,
            standard_error=agreement.standard_error,
            verdict=agreement.verdict,
            reason=agreement.reason,
        )
        return {"consensus": consensus, **dict(self.quality)}

    def measured_with(self, peak_rss_bytes: int) -> Self:
        """The explanation with the peak memory of the process that made it."""
        return self.model_copy(update={"cost": self.cost.model_copy(update={"peak_rss_bytes": peak_rss_bytes})})


class Analysis(Explanation):
    """An explanation with its origin and its verdict: the content of analysis.json."""

    schema_version: int = SCHEMA_VERSION
    id: str
    run: str
    created_at: str
    fxwatch_version: str
    checkpoint: Checkpoint
    states: StatesUsed
    late: bool = Field(
        default=False, description="whether a later checkpoint of the run was explained, or begun, before this one"
    )
    attempt: int = Field(default=1, description="how often training of the run had begun from the beginning, by then")
    thresholds: Thresholds = Field(default=Thresholds(), description="the limits by which it was judged")
    health: Health = Health()

    @classmethod
    def of(cls, explanation: Explanation, **origin: Any) -> Self:
        """An explanation with its origin."""
        return cls.model_validate({**explanation.__dict__, **origin})
