"""What is said of a model that answers nothing but NaN: no numbers, and the reason in place of each."""

from fxwatch.attribution.units import Units
from fxwatch.records.analysis import BranchShare, Consensus, Cost, DeadFeatures, Explanation, Stability, Target
from fxwatch.records.gradients import GradientFlow
from fxwatch.records.internals import Attention
from fxwatch.records.quality import QualityMetrics
from fxwatch.records.settings import AnalysisSettings


def unexplained(units: Units, settings: AnalysisSettings, states: int, cost: Cost) -> Explanation:
    """An explanation without a single number: the model's outputs are NaN or Inf at all states."""
    reason = "the model answers every state with NaN or Inf"
    return Explanation(
        target=Target(config=settings.target, words=f"nothing: {reason}"),
        feature_importance={branch: [] for branch in units.features},
        units={branch: {} for branch in units.features},
        branches={branch: BranchShare() for branch in units.features},
        consensus=Consensus(reason=reason),
        quality=QualityMetrics.model_validate({name: {"reason": reason} for name in QualityMetrics.model_fields}),
        gradient_flow=GradientFlow(of="", reason=reason),
        dead_features=DeadFeatures(reason=reason),
        stability=Stability(reason=reason),
        attention=Attention(reason=reason),
        nonfinite_outputs=states,
        decisions={},
        methods={},
        cost=cost,
    )
