"""What `fxwatch status --json` prints."""

from typing import Any, Self

from fxwatch.records.analysis import Analysis, Finding
from fxwatch.records.base import Record, Verdict
from fxwatch.records.history import Headlines, headlines


class Metrics(Headlines):
    """The headlines of a run's newest analysis."""

    agreement_score: float | None = None
    branches: dict[str, float | None] = {}

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        """Those of an analysis."""
        shares = {name: branch.share for name, branch in analysis.branches.items()}
        return cls(**headlines(analysis), agreement_score=analysis.consensus.agreement_score, branches=shares)


class RunOverview(Record):
    """A run by its newest analysis, whose id is `latest`; `trouble`: why it cannot be read."""

    verdict: Verdict
    step: int | None
    attempt: int | None
    analyses: int
    latest: str | None
    trouble: str | None
    findings: list[Finding]
    metrics: Metrics


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
