"""Analyses as records, for tests that need no model."""

from typing import Any

from fxwatch.records.analysis import (
    Analysis,
    BranchShare,
    Checkpoint,
    Consensus,
    Cost,
    DeadFeatures,
    Explanation,
    MethodReport,
    Stability,
    StatesUsed,
    Target,
    Unit,
)
from fxwatch.records.base import Verdict
from fxwatch.records.gradients import GradientFlow, LayerGradient
from fxwatch.records.internals import Attention
from fxwatch.records.quality import Concentration, Estimate, Infidelity, QualityMetrics, Sensitivity
from fxwatch.records.thresholds import EXPECTED_SHARES, Thresholds
from fxwatch.records.verdict import judge

SHARES = {
    "hf": {"price_velocity": 0.12, "volume_ratio": 0.08, "spread": 0.05},
    "mf": {"ema_cross_signal": 0.13, "rsi_divergence": 0.07, "bollinger_position": 0.05},
    "lf": {"support_distance": 0.05, "trend_strength": 0.05},
    "portfolio": {"position_pnl_percent": 0.18, "cash_ratio": 0.12, "position_hold_time": 0.10},
}


def explanation(**changes: Any) -> Explanation:
    """A policy in excellent health, by the guide's own example."""
    healthy = Explanation(
        target=Target(config="action_type", words="the logit of the action in the dump", baseline="8 real states"),
        feature_importance={branch: _ranking(units) for branch, units in SHARES.items()},
        units={
            branch: {
                name: Unit(share=share, signed=share, low=0.8 * share, high=1.2 * share)
                for name, share in units.items()
            }
            for branch, units in SHARES.items()
        },
        branches={branch: BranchShare(share=round(sum(units.values()), 6)) for branch, units in SHARES.items()},
        consensus=Consensus(
            mean_correlation=0.823,
            min_correlation=0.723,
            std_correlation=0.089,
            agreement_score=1.0,
            voters=[["integrated_gradients"], ["saliency"]],
        ),
        quality=QualityMetrics(
            sparsity=Estimate(value=0.267, standard_error=0.01),
            concentration=Concentration(value=0.134, effective_features=7.5),
            infidelity=Infidelity(value=0.023, fvu=0.03),
            sensitivity=Sensitivity(value=0.045, mean=0.03, radius=0.02),
            completeness=Estimate(value=0.004),
        ),
        gradient_flow=GradientFlow(
            of="mean over states of the logit, plus value",
            layer_gradients={"hf_transformer_0": LayerGradient(norm=0.234, mean=0.023, weight_ratio=0.01)},
        ),
        dead_features=DeadFeatures(branches={branch: [] for branch in SHARES}, total_count=2),
        stability=Stability(previous="step-000000900-00000000", spearman=0.97, jaccard10=0.9, null_low=0.9),
        attention=Attention(reason="the model has no nn.MultiheadAttention"),
        decisions={},
        methods={"integrated_gradients": MethodReport(status="ok")},
        cost=Cost(forwards=100, backwards=50, seconds=1.5),
    )
    return healthy.model_copy(update=changes)


def analysis(
    step: int | None = 1000,
    run: str = "default",
    digest: str = "1a2b3c4d",
    verdict: Verdict | None = None,
    **changes: Any,
) -> Analysis:
    """A judged analysis. `verdict` overrides what the rules say."""
    judged, findings = judge(explanation(**changes), Thresholds(), EXPECTED_SHARES)
    found = Analysis.of(
        judged,
        id=f"step-{'none' if step is None else f'{step:09d}'}-{digest}",
        run=run,
        created_at=f"2026-11-22T08:00:{(step or 0) % 60:02d}.000+00:00",
        fxwatch_version="0.1.0",
        checkpoint=Checkpoint(path=f"model_{step}.pt", sha256="0" * 64, format="torch", step=step),
        states=StatesUsed(path="states.npz", sha256="1" * 64, count=32, branches=dict.fromkeys(SHARES, (6, 3))),
        health=findings.health(step),
    )
    return (
        found
        if verdict is None
        else found.model_copy(update={"health": found.health.model_copy(update={"verdict": verdict})})
    )


def _ranking(units: dict[str, float]) -> list[tuple[str, float]]:
    length = sum(share**2 for share in units.values()) ** 0.5
    return sorted(((name, share / length) for name, share in units.items()), key=lambda pair: -pair[1])
