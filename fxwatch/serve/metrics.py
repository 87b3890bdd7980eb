"""The headline numbers of all runs as Prometheus reads them."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from fxwatch.records.base import SEVERITY
from fxwatch.records.history import Headlines, HistoryLine
from fxwatch.terminal import clean

_GAUGES = {"step": "step of the newest analysis"} | {
    name: field.description or "" for name, field in Headlines.model_fields.items()
}


def exposition(newest: Sequence[tuple[str, HistoryLine]]) -> bytes:
    """A gauge for each number, with the run as label; what is not known is left out."""
    registry = CollectorRegistry()
    verdict = Gauge("fxwatch_verdict", "0 ok, 1 unknown, 2 warn, 3 bad", ["run"], registry=registry)
    analyses = Gauge("fxwatch_analyses", "analyses of the run", ["run"], registry=registry)
    share = Gauge("fxwatch_branch_share", "share of all importance", ["run", "branch"], registry=registry)
    gauges = {name: Gauge(f"fxwatch_{name}", words, ["run"], registry=registry) for name, words in _GAUGES.items()}
    for name, line in newest:
        run = clean(name)
        verdict.labels(run).set(SEVERITY[line.verdict])
        analyses.labels(run).set(line.seq + 1)
        for number, gauge in gauges.items():
            if (value := getattr(line, number)) is not None:
                gauge.labels(run).set(value)
        for branch, value in line.branches.items():
            if value is not None:
                share.labels(run, clean(branch)).set(value)
    return generate_latest(registry)
