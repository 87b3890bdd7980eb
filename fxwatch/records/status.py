"""status.json: the daemon's heartbeat."""

from typing import Literal

from fxwatch.records.base import AnalysisId, Record, Verdict
from fxwatch.records.ledger import FileState

STALE_SECONDS = 15.0
"""A heartbeat older than this is not alive (the daemon beats every few seconds)."""


class RunStatus(Record):
    """The newest analysis of a run."""

    analyses: int
    latest: AnalysisId
    step: int | None
    verdict: Verdict
    findings: list[str] = []


class DaemonStatus(Record):
    """What the daemon is doing. Times are ISO 8601 in UTC.

    `waiting`: analyses that wait for a worker; `backlog`: checkpoints that wait until nothing else does (`skipped` in
    `files`, until then); `lost_events`: how often file events were lost or could not be relied on; `last_trouble`: what
    keeps the daemon from its work now, in words; `wandb`: how it sends analyses to W&B.
    """

    schema_version: int = 1
    state: Literal["starting", "watching", "stopped"]
    at: str
    started_at: str
    pid: int
    host: str
    fxwatch_version: str
    watching: str
    mode: Literal["events", "polling"]
    scan_seconds: float | None = None
    files: dict[FileState, int] = {}
    waiting: int = 0
    backlog: int = 0
    lost_events: int = 0
    running: list[str] = []
    last_trouble: str | None = None
    wandb: Literal["off", "online", "offline"] = "off"
    runs: dict[str, RunStatus] = {}
