"""An analysis in the guide's own console lines."""

from fxwatch.records.analysis import Analysis
from fxwatch.records.base import Verdict, worst
from fxwatch.records.history import headlines

COMPLETED = "🔍 Captum attribution analysis completed - feature importance updated"
LINES_AN_ANALYSIS = 6


def console_lines(analysis: Analysis) -> list[str]:
    """The guide's lines, with a warning sign where a thing is not well, and the verdict in one line below them."""
    quality, flow = analysis.quality, analysis.gradient_flow
    spread = worst(quality.sparsity.verdict, quality.concentration.verdict)
    told = {name: _told(value) for name, value in headlines(analysis).items()}
    return [
        COMPLETED,
        _line(analysis.consensus.verdict, f"Attribution consensus: {told['consensus']}"),
        _line(spread, f"Attribution quality - Sparsity: {told['sparsity']}, Concentration: {told['concentration']}"),
        _line(analysis.dead_features.verdict, f"Dead features: {told['dead_features']}"),
        _line(
            flow.verdict,
            f"Gradient flow: {told['vanishing_gradients']} vanishing, {told['exploding_gradients']} exploding layers",
        ),
        _line(analysis.health.verdict, verdict_line(analysis)),
    ]


def verdict_line(analysis: Analysis, shown: int = 3) -> str:
    """`Health: WARN at step 1000 of default - …`, with the worst findings in words."""
    step = analysis.checkpoint.step
    where = f"{'' if step is None else f'at step {step} '}of {analysis.run}"
    messages = [finding.message for finding in analysis.health.findings]
    more = f"; and {len(messages) - shown} more" if len(messages) > shown else ""
    return f"Health: {analysis.health.verdict.upper()} {where}" + (
        f" - {'; '.join(messages[:shown])}{more}" if messages else ""
    )


def _line(verdict: Verdict, text: str) -> str:
    return f"⚠️ {text}" if verdict in {"warn", "bad"} else text


def _told(value: object) -> str:
    return "unknown" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
