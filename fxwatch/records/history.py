"""One line of history.jsonl: what a monitor needs of an analysis without opening it."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic import Field

from fxwatch.records.analysis import SCHEMA_VERSION, Analysis
from fxwatch.records.base import AnalysisId, Record, Verdict
from fxwatch.records.quality import QualityMetrics


class Headlines(Record):
    """The numbers by which analyses are followed over time, in the order in which they are shown; None: not known."""

    consensus: float | None = Field(default=None, description="agreement between attribution methods")
    sparsity: float | None = Field(default=None, description="fraction of features with very low importance")
    concentration: float | None = Field(default=None, description="Herfindahl index of importance")
    infidelity: float | None = Field(default=None, description="what attributions miss when inputs change")
    sensitivity: float | None = Field(default=None, description="relative change of attributions under small noise")
    completeness: float | None = Field(default=None, description="what attributions miss of the change of output")
    dead_features: int | None = Field(default=None, description="features that do nothing")
    vanishing_gradients: int | None = Field(default=None, description="layers with vanishing gradients")
    exploding_gradients: int | None = Field(default=None, description="layers with exploding gradients")
    drops: int | None = Field(default=None, description="layers behind which gradients fall")
    stability: float | None = Field(default=None, description="rank correlation with the previous analysis")
    attention_stability: float | None = Field(default=None, description="likeness to the previous attention")


HEADLINES = tuple(Headlines.model_fields)


class _Origin(Record):
    """Which analysis a line is of."""

    schema_version: int = SCHEMA_VERSION
    seq: int
    id: AnalysisId
    step: int | None
    late: bool = False
    created_at: str
    checkpoint: str
    verdict: Verdict
    findings: dict[str, Verdict] = {}
    attempt: int = 1
    written_at: str | None = None


class HistoryLine(Headlines, _Origin):
    """The headline of an analysis; `seq` counts the analyses of a run from 0 as they complete.

    `late`: a later checkpoint of the run was explained, or begun, before this one.
    """

    branches: dict[str, float | None] = {}

    @classmethod
    def of(cls, analysis: Analysis, seq: int) -> Self:
        """The line of an analysis."""
        return cls(
            seq=seq,
            id=analysis.id,
            step=analysis.checkpoint.step,
            late=analysis.late,
            created_at=analysis.created_at,
            checkpoint=analysis.checkpoint.path,
            attempt=analysis.attempt,
            written_at=analysis.checkpoint.written_at,
            verdict=analysis.health.verdict,
            findings={finding.metric: finding.level for finding in analysis.health.findings},
            **headlines(analysis),
            branches={name: branch.share for name, branch in analysis.branches.items()},
        )


def headlines(analysis: Analysis) -> dict[str, Any]:
    """Those of an analysis, by name."""
    flow = analysis.gradient_flow
    measured = flow.reason is None
    return {
        **{name: getattr(analysis.quality, name).value for name in QualityMetrics.model_fields},
        "consensus": analysis.consensus.mean_correlation,
        "dead_features": analysis.dead_features.total_count,
        "vanishing_gradients": len(flow.vanishing_gradients) if measured else None,
        "exploding_gradients": len(flow.exploding_gradients) if measured else None,
        "drops": len(flow.drops) if measured else None,
        "stability": analysis.stability.spearman,
        "attention_stability": analysis.attention.stability,
    }


def in_order(lines: Iterable[HistoryLine]) -> list[HistoryLine]:
    """Lines, given as they completed, as their checkpoints follow each other in training."""
    found: list[HistoryLine] = []
    for line in lines:
        found.insert(place_of(line.attempt, line.step, found, late=line.late), line)
    return found


def place_of(attempt: int, step: int | None, lines: list[HistoryLine], *, late: bool) -> int:
    """Where a checkpoint belongs among lines in order: behind all of its attempt, and a late one before those of later
    steps that end it.

    A late one without a step is put before the last of its attempt.
    """
    place = len(lines)
    while place and lines[place - 1].attempt > attempt:
        place -= 1
    if late and step is None:
        return place - 1 if place and lines[place - 1].attempt == attempt else place
    while late and place and lines[place - 1].attempt == attempt and (lines[place - 1].step or -1) > (step or 0):
        place -= 1
    return place
