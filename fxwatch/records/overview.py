"""What `fxwatch status --json` prints."""

from typing import Any, Self

from fxwatch.records.analysis import Analysis, Finding
from fxwatch.records.base import Record, Verdict


class Headlines(Record):
    """The headline numbers of a run's newest analysis, under the names that the history gives them."""

    consensus: float | None = None
    agreement_score: float | None = None
    sparsity: float | None = None
    concentration: float | None = None
    infidelity: float | None = None
    sensitivity: float | None = None
    completeness: float | None = None
    vanishing_gradients: int | None = None
    exploding_gradients: int | None = None
    dead_features: int | None = None
    stability: float | None = None
    attention_stability: float | None = None
    branches: dict[str, float | None] = {}

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        """Those of an analysis."""
        flow, quality = analysis.gradient_flow, analysis.quality
        measured = flow.reason is None
        return cls(
            consensus=analysis.consensus.mean_correlation,
            agreement_score=analysis.consensus.agreement_score,
            sparsity=quality.sparsity.value,
            concentration=quality.concentration.value,
            infidelity=quality.infidelity.value,
            sensitivity=quality.sensitivity.value,
            completeness=quality.completeness.value,
            vanishing_gradients=len(flow.vanishing_gradients) if measured else None,
            exploding_gradients=len(flow.exploding_gradients) if measured else None,
            dead_features=analysis.dead_features.total_count,
            stability=analysis.stability.spearman,
            attention_stability=analysis.attention.stability,
            branches={label: branch.share for label, branch in analysis.branches.items()},
        )


class RunOverview(Record):
    """A run by its newest analysis, whose id is `latest`; `trouble`: why it cannot be read."""

    verdict: Verdict
    step: int | None
    attempt: int | None
    analyses: int
    latest: str | None
    trouble: str | None
    findings: list[Finding]
    metrics: Headlines


class Unsent(Record):
    """Of a run that goes to W&B, how many analyses wait, and why where it is known."""

    waiting: int
    trouble: str | None


class Overview(Record):
    """All runs of a folder; `daemon` is the heartbeat of status.json, with what to make of it: `state` and `alive`."""

    schema_version: int = 1
    watching: str
    verdict: Verdict
    daemon: dict[str, Any]
    runs: dict[str, RunOverview]
    wandb: dict[str, Unsent]
