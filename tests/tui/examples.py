"""Stores to look at, made through the records."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fxwatch.records.analysis import (
    Analysis,
    BranchShare,
    Consensus,
    Cost,
    DeadFeatures,
    Explanation,
    MethodReport,
    Pair,
    Stability,
    Unit,
)
from fxwatch.records.decisions import Decision
from fxwatch.records.gradients import Drop, GradientFlow, LayerGradient
from fxwatch.records.internals import Attention, AttentionHead
from fxwatch.records.ledger import LedgerLine
from fxwatch.records.quality import Concentration, Estimate, Infidelity, Sensitivity
from fxwatch.records.ranks import FeatureRanks
from fxwatch.records.status import DaemonStatus
from fxwatch.store.layout import Store
from fxwatch.store.lines import LineWriter
from fxwatch.store.write import RunWriter, write_status
from fxwatch.tui.snapshot import FileNews, Past, RunNews, Snapshot
from tests import analyses

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC).timestamp()
"""The time in all examples."""

SHARES = {"hf": 0.20, "mf": 0.22, "lf": 0.13, "portfolio": 0.45}
SICK = {"hf": 0.7, "mf": 0.1, "lf": 0.1, "portfolio": 0.1}
"""Of branches: one has by far too much."""
FEATURES = {
    "hf": ["price_velocity", "volume_ratio", "spread"],
    "mf": ["ema_cross_signal", "rsi_divergence", "bollinger_position"],
    "lf": ["support_distance", "resistance_strength", "trend_strength"],
    "portfolio": ["position_pnl_percent", "cash_ratio", "position_hold_time"],
}
SCORES = (0.8, 0.5, 0.33)


def iso(seconds: float) -> str:
    """A time as files have it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def explanation(
    *,
    consensus: float | None = 0.84,
    infidelity: float | None = 0.02,
    shares: Mapping[str, float | None] = SHARES,
    norms: Mapping[str, float] | None = None,
    **parts: Any,
) -> Explanation:
    """A healthy explanation, but for what is said otherwise."""
    layers = norms if norms is not None else {f"policy.hf.layer_{index}": 0.5 + index / 10 for index in range(12)}
    made: dict[str, Any] = {
        "feature_importance": {
            branch: list(zip(FEATURES.get(branch, ["only"]), SCORES, strict=False)) for branch in shares
        },
        "units": {
            branch: {
                feature: Unit(share=(share or 0.0) * score / sum(SCORES), signed=0.1, low=0.01, high=0.5)
                for feature, score in zip(FEATURES.get(branch, ["only"]), SCORES, strict=False)
            }
            for branch, share in shares.items()
        },
        "branches": {
            branch: BranchShare(share=share, low=share and share - 0.02, high=share and share + 0.02)
            for branch, share in shares.items()
        },
        "consensus": Consensus(
            mean_correlation=consensus,
            standard_error=0.012,
            min_correlation=0.723,
            std_correlation=0.089,
            agreement_score=0.75,
            voters=[["integrated_gradients"], ["saliency"]],
            pairs=[Pair(methods=("integrated_gradients", "saliency"), spearman=0.8, jaccard10=0.6)],
            ranks=[
                FeatureRanks(
                    branch="portfolio", feature="cash_ratio", ranks={"integrated_gradients": 1, "saliency": 2}
                ),
                FeatureRanks(branch="hf", feature="spread", ranks={"integrated_gradients": 2, "saliency": 12}),
                FeatureRanks(branch="mf", feature="rsi_divergence", ranks={"integrated_gradients": 3}),
            ],
            reason=None if consensus is not None else "fewer than two methods",
        ),
        "quality": analyses.explanation().quality.model_copy(
            update={
                "sparsity": Estimate(value=0.234, standard_error=0.01),
                "concentration": Concentration(value=0.156, standard_error=0.002, effective_features=6.4),
                "infidelity": Infidelity(
                    value=infidelity, standard_error=0.004, reason=None if infidelity is not None else "no noise"
                ),
                "sensitivity": Sensitivity(value=0.045, standard_error=0.003),
                "completeness": Estimate(value=0.008, standard_error=0.001),
            }
        ),
        "gradient_flow": GradientFlow(
            of="the chosen logit and the value",
            layer_gradients={
                layer: LayerGradient(norm=norm, mean=norm / 10, weight_ratio=0.1) for layer, norm in layers.items()
            },
            vanishing_gradients=[layer for layer, norm in layers.items() if 0 < norm < 1e-7],
            exploding_gradients=[layer for layer, norm in layers.items() if norm > 1e3],
            zero=[layer for layer, norm in layers.items() if norm == 0],
            drops=[Drop.model_validate({"from": "policy.hf.layer_2", "to": "policy.hf.layer_1", "ratio": 1e-4})]
            if norms
            else [],
        ),
        "dead_features": DeadFeatures(
            branches={"hf": ["spread"], "mf": [], "lf": [], "portfolio": []},
            total_count=1,
            causes={"hf": {"spread": "constant_input"}},
        ),
        "stability": Stability(previous="step-1", spearman=0.9, null_low=0.8),
        "attention": Attention(
            stability=0.97,
            entropy=0.62,
            layers={"policy.hf.attention": [AttentionHead(entropy=0.62, stability=0.97)] * 4},
        ),
        "decisions": {"BUY": Decision(count=12, features={"hf": [("price_velocity", 0.8)]})},
        "methods": {
            "integrated_gradients": MethodReport(status="ok", forwards=500, seconds=1.2),
            "deep_lift": MethodReport(status="failed", reason="not every layer is covered"),
        },
        "cost": Cost(forwards=1200, backwards=800, seconds=2.34, peak_rss_bytes=412_000_000),
    }
    return analyses.explanation(**{**made, **parts})


def analysis(step: int | None = 1000, run: str = "default", at: float = START, **parts: Any) -> Analysis:
    """A judged analysis."""
    found = analyses.analysis(step, run, "0a1b2c3d", **dict(explanation(**parts)))
    written = found.checkpoint.model_copy(update={"path": f"ppo_{step}_steps.zip", "format": "sb3"})
    dumped = found.states.model_copy(update={"path": "states-1.safetensors", "branches": {"hf": (16, 3)}})
    return found.model_copy(update={"created_at": iso(at), "checkpoint": written, "states": dumped})


def daemon(at: float = START, **parts: Any) -> DaemonStatus:
    """A heartbeat."""
    made: dict[str, Any] = {
        "state": "watching",
        "at": iso(at),
        "started_at": iso(START - 600),
        "pid": 4711,
        "host": "node7",
        "fxwatch_version": "0.1.0",
        "watching": "outputs",
        "mode": "events",
        "files": {"done": 3, "incomplete": 1},
    }
    return DaemonStatus(**{**made, **parts})


def snapshot(shown: Analysis | None = None, **parts: Any) -> Snapshot:
    """A live view of an analysis, the third of three."""
    found = shown or analysis()
    step = found.checkpoint.step
    made: dict[str, Any] = {
        "now": START + 5,
        "watched": "outputs",
        "store": "outputs/fxwatch",
        "daemon": daemon(),
        "runs": (RunNews(found.run, found.health.verdict, step, 3, found.id),),
        "run": found.run,
        "past": Past(3, 3, {"hf": 0.25}, {"consensus": (0.7, None, 0.84)}, gap=20.0),
        "analysis": found,
        "files": FileNews(at=START, steps={found.run: 1200}),
    }
    return Snapshot(**{**made, **parts})


def fill(watched: Path, steps: range, run: str = "default", **parts: Any) -> Store:
    """A store with a run."""
    store = Store.of(watched, None)
    watched.mkdir(parents=True, exist_ok=True)
    store.create()
    writer = RunWriter(store.run(run))
    for number, step in enumerate(steps):
        writer.commit(analysis(step, run, START + number * 20, **parts))
    writer.close()
    return store


def beat(store: Store, at: float = START, **parts: Any) -> None:
    """A heartbeat in a store."""
    write_status(store, daemon(at, **parts))


def note(store: Store, *lines: LedgerLine) -> None:
    """Lines in the ledger of a store."""
    writer = LineWriter(store.ledger)
    for line in lines:
        writer.append(line)
    writer.close()


def shows(shown: str, *parts: str) -> None:
    """Each of these stands in what is shown."""
    assert [part for part in parts if part not in shown] == []
