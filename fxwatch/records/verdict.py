"""From measurements to verdicts: pure rules over an Explanation, by the guide's thresholds."""

import math
from collections.abc import Collection, Mapping

from fxwatch.records.analysis import BranchShare, Consensus, DeadFeatures, Explanation, Health, Stability
from fxwatch.records.base import Verdict, worst
from fxwatch.records.findings import Findings, crossing
from fxwatch.records.gradients import GradientFlow
from fxwatch.records.quality import Estimate, QualityMetrics
from fxwatch.records.thresholds import Band, Between, Correlation, GradientLimits, Limit, Thresholds
from fxwatch.records.trust_rules import judge_trust


def judge(
    explanation: Explanation,
    thresholds: Thresholds,
    expected: Mapping[str, Band],
    previous: Health | None = None,
) -> tuple[Explanation, Findings]:
    """The explanation with a verdict in each part, and what is not well; `previous` is the run's health before."""
    findings = Findings(previous)
    judged = explanation.model_copy(
        update={
            "consensus": _consensus(explanation.consensus, thresholds, findings),
            "quality": _quality(explanation.quality, thresholds, findings),
            "trust": judge_trust(explanation.trust, findings),
            "gradient_flow": _gradient_flow(explanation.gradient_flow, thresholds.gradient, findings),
            "dead_features": _dead_features(
                explanation.dead_features, sum(map(len, explanation.units.values())), thresholds, findings
            ),
            "stability": _stability(explanation.stability, findings),
            "branches": _branches(explanation.branches, expected, findings),
        }
    )
    _scores(explanation, thresholds, findings)
    _outputs(explanation, findings)
    return judged, findings


def states_left_out(findings: Findings, count: int, total: int, reason: str) -> None:
    """Find that some dumped states could not be analysed."""
    findings.add("states", count, 0, "warn", f"{count} of {total} dumped states are left out: {reason}")


def states_blurred(findings: Findings, features: Collection[tuple[str, str]]) -> None:
    """Find that the model, in single precision, cannot see how some features vary."""
    names = _some([f"{branch}/{name}" for branch, name in sorted(features)])
    what = "feature has" if len(features) == 1 else "features have"
    message = f"{len(features)} {what} values too large for single precision, which blurs them: {names}"
    findings.add("precision", len(features), 0, "warn", message)


def states_perhaps_not_normalised(findings: Findings, pickle: str | None) -> None:
    """Find that the trainer normalises what the policy sees, and the dump does not say whether that is done.

    The statistics are in a pickle of a name, or, without one, in the dump itself.
    """
    where = f"{pickle} is a pickle and stays closed" if pickle else "the dump holds statistics to normalise by"
    message = f"inputs may be unnormalised: {where}, and the dump does not say that it is as the policy sees it"
    findings.add("normalisation", None, None, "warn", message)


def _outputs(explanation: Explanation, findings: Findings) -> None:
    count = explanation.nonfinite_outputs
    if count:
        message = f"the model answers {count} of the states with NaN or Inf"
        findings.add("outputs", count, 0, "bad", message, "gradient_flow.nonfinite")


def _consensus(consensus: Consensus, thresholds: Thresholds, findings: Findings) -> Consensus:
    verdict = findings.number(
        "consensus",
        "agreement between methods",
        consensus.mean_correlation,
        consensus.reason,
        thresholds.consensus,
    )
    return consensus.model_copy(update={"verdict": verdict})


def _quality(quality: QualityMetrics, thresholds: Thresholds, findings: Findings) -> QualityMetrics:
    labels = {"completeness": "completeness error"}
    judged: dict[str, Estimate] = {}
    for name in QualityMetrics.model_fields:
        part: Estimate = getattr(quality, name)
        limit: Limit = getattr(thresholds, name)
        verdict = findings.number(name, labels.get(name, name), part.value, part.reason, limit)
        judged[name] = part.model_copy(update={"verdict": verdict})
    return quality.model_copy(update=judged)


def _gradient_flow(flow: GradientFlow, limits: GradientLimits, findings: Findings) -> GradientFlow:
    if flow.reason is not None:
        findings.add("gradient_flow", None, None, "unknown", f"gradient flow was not computed: {flow.reason}")
        return flow.model_copy(update={"verdict": "unknown"})
    low, high = Between(low=limits.vanishing), Between(high=limits.exploding)
    fading = _still(flow, "gradient_flow.vanishing", low, findings)
    swollen = _still(flow, "gradient_flow.exploding", high, findings)
    close = ", or still close to it"
    kinds: list[tuple[str, list[str], float | None, Verdict, str]] = [
        ("nonfinite", flow.nonfinite, None, "bad", "a gradient of NaN or Inf"),
        (
            "vanishing",
            flow.vanishing_gradients + fading,
            limits.vanishing,
            "bad",
            f"a gradient norm below {limits.vanishing:g}{close if fading else ''}",
        ),
        (
            "exploding",
            flow.exploding_gradients + swollen,
            limits.exploding,
            "bad",
            f"a gradient norm above {limits.exploding:g}{close if swollen else ''}",
        ),
        ("zero", flow.zero, 0.0, "bad", "a gradient of exactly nought"),
        ("unused", flow.unused, None, "warn", "no way to any output"),
        (
            "drops",
            [f"{d.from_} to {d.to}" for d in flow.drops],
            limits.drop,
            "warn",
            f"a fall of the gradient by more than {1 / limits.drop:g}×",
        ),
    ]
    verdict: Verdict = "ok"
    for kind, layers, limit, level, words in kinds:
        if layers:
            one, many = ("step between layers", "steps between layers") if kind == "drops" else ("layer", "layers")
            message = f"{len(layers)} {one if len(layers) == 1 else many} with {words}: {_some(layers)}"
            findings.add(f"gradient_flow.{kind}", len(layers), limit, level, message, about=layers)
            verdict = worst(verdict, level)
    return flow.model_copy(update={"verdict": verdict})


def _still(flow: GradientFlow, metric: str, limit: Limit, findings: Findings) -> list[str]:
    """Layers that had crossed a limit at the previous analysis and are back by less than what it is held for."""
    told = {*flow.vanishing_gradients, *flow.exploding_gradients, *flow.zero}
    before = findings.held(metric)
    norms = {name: flow.layer_gradients[name].norm for name in findings.named(metric) if name in flow.layer_gradients}
    return [name for name, norm in norms.items() if name not in told and limit.judge(norm, before)[1] is not None]


def _dead_features(dead: DeadFeatures, features: int, thresholds: Thresholds, findings: Findings) -> DeadFeatures:
    """How many there are, which may be too many; all that there are always is, however few."""
    verdict, crossed = thresholds.dead_features.judge(dead.total_count, findings.held("dead_features"))
    names = [f"{branch}/{name}" for branch, found in dead.branches.items() for name in found]
    if dead.total_count is None:
        message = f"dead features were not looked for: {dead.reason or 'no reason given'}"
        findings.add("dead_features", None, None, "unknown", message)
    elif dead.total_count and dead.total_count == features:
        verdict = worst(verdict, "warn")
        message = f"all {features} features are dead: {_some(names)}"
        findings.add("dead_features", dead.total_count, crossed, verdict, message, about=names)
    elif crossed is not None:
        more = "more than" if dead.total_count > crossed else "still close to"
        message = f"{dead.total_count} dead features, {more} {crossed:g}: {_some(names)}"
        findings.add("dead_features", dead.total_count, crossed, verdict, message, about=names)
    return dead.model_copy(update={"verdict": verdict})


def _stability(stability: Stability, findings: Findings) -> Stability:
    """Rankings that moved further than sampling noise would; without a previous analysis there is nothing to judge."""
    value, null_low = stability.spearman, stability.null_low
    if value is None or null_low is None:
        return stability.model_copy(update={"verdict": "unknown"})
    held = None if findings.held("stability") is None else null_low  # the limit moves; what is held is that it stood
    verdict, crossed = Correlation(low=null_low).judge(value, held)
    if crossed is not None:
        when = "since the previous analysis" if value < crossed else "before, and hardly hold still yet"
        message = (
            f"rankings moved {when}: correlation {value:.3g}, where sampling noise alone gives at least {crossed:.3g}"
        )
        findings.add("stability", value, crossed, verdict, message)
    return stability.model_copy(update={"verdict": verdict})


def _branches(
    branches: Mapping[str, BranchShare], expected: Mapping[str, Band], findings: Findings
) -> dict[str, BranchShare]:
    judged = {}
    for name, branch in branches.items():
        band = expected.get(name) if len(branches) > 1 else None  # a lone branch has all importance, whatever it is
        metric = f"branches.{name}"
        verdict, crossed = band.judge(branch.share, findings.held(metric)) if band else ("unknown", None)
        if band and branch.share is not None and crossed is not None:
            side = band.side(crossed)
            inside = band.low <= branch.share <= band.high
            word = "only just inside" if inside else "below" if side == "low" else "above"
            message = (
                f"branch {name} has {100 * branch.share:.3g}% of all importance, "
                f"{word} the expected {band.low:.0%} to {band.high:.0%}"
            )
            findings.add(metric, branch.share, crossed, verdict, message, f"{metric}.{side}", "branches", about=[side])
        elif branch.reason is not None:
            findings.add(metric, None, None, "unknown", f"branch {name}: {branch.reason}", "branches.unseen")
        judged[name] = branch.model_copy(update={"expected": band, "verdict": verdict})
    return judged


def _scores(explanation: Explanation, thresholds: Thresholds, findings: Findings) -> None:
    """The guide's two tests on displayed scores: one feature above all others, and no feature of note anywhere.

    A feature that outweighs its own branch alone is a warning; one that outweighs the whole model is bad.
    """
    shares = [unit.share for units in explanation.units.values() for unit in units.values()]
    length = math.hypot(*shares)
    for branch, ranking in explanation.feature_importance.items():
        if len(ranking) < 2:
            continue
        name, score = ranking[0]
        verdict, crossed = thresholds.dominance.judge(score, findings.held(f"dominance.{branch}"))
        if crossed is None:
            continue
        overall = explanation.units[branch][name].share / length if length else 0.0
        everything = overall > crossed
        told = crossing(overall if everything else score, crossed, "high")
        message = f"{branch}/{name} dominates {'all features' if everything else 'its branch'}: its score {told}"
        level: Verdict = verdict if everything else "warn"
        findings.add(f"dominance.{branch}", score, crossed, level, message, "dominance", about=[name])
    best = max((ranking[0][1] for ranking in explanation.feature_importance.values() if ranking), default=None)
    verdict, crossed = thresholds.weak_scores.judge(best, findings.held("weak_scores"))
    if best is not None and crossed is not None:
        message = f"all scores are low, the best of any branch: {crossing(best, crossed, 'low')}"
        findings.add("weak_scores", best, crossed, verdict, message)


def _some(names: list[str], shown: int = 3) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
