"""From measurements to verdicts: pure rules over an Explanation, by the guide's thresholds."""

import math
from collections.abc import Iterable, Mapping

from fxwatch.records.advice import advice
from fxwatch.records.analysis import (
    BranchShare,
    Consensus,
    DeadFeatures,
    Estimate,
    Explanation,
    Finding,
    GradientFlow,
    Health,
    OrderTest,
    QualityMetrics,
    RandomisationTest,
    SimilarityTest,
    Stability,
    Trust,
)
from fxwatch.records.base import Verdict, worst
from fxwatch.records.thresholds import Band, GradientLimits, Limit, Thresholds

SAME = 0.9
"""Rank correlation above which two attributions that must differ count as the same."""


def judge(
    explanation: Explanation,
    thresholds: Thresholds,
    expected: Mapping[str, Band],
) -> tuple[Explanation, list[Finding]]:
    """The explanation with a verdict in each part, and what is not well, worst first."""
    findings: list[Finding] = []
    consensus = _consensus(explanation.consensus, thresholds, findings)
    quality = _quality(explanation.quality, thresholds, findings)
    flow = _gradient_flow(explanation.gradient_flow, thresholds.gradient, findings)
    dead = _dead_features(explanation.dead_features, thresholds, findings)
    stability = _stability(explanation.stability, findings)
    branches = _branches(explanation.branches, expected, findings)
    _scores(explanation, thresholds, findings)
    trust = _trust(explanation.trust, findings)
    _outputs(explanation, findings)
    judged = explanation.model_copy(
        update={
            "consensus": consensus,
            "quality": quality,
            "trust": trust,
            "gradient_flow": flow,
            "dead_features": dead,
            "stability": stability,
            "branches": branches,
        }
    )
    order: list[Verdict] = ["bad", "warn", "unknown"]
    return judged, sorted(findings, key=lambda finding: order.index(finding.level))


def health(findings: Iterable[Finding], step: int | None, previous: Health | None) -> Health:
    """The verdict over all findings; a finding that the previous analysis had too keeps its first step."""
    since = {finding.metric: finding.since_step for finding in previous.findings} if previous else {}
    dated = [finding.model_copy(update={"since_step": since.get(finding.metric, step)}) for finding in findings]
    return Health(verdict=worst("ok", *(finding.level for finding in dated)), findings=dated)


def _trust(trust: Trust, findings: list[Finding]) -> Trust:
    """Tests that a result fails make it one that is not to be trusted. A test that could not be made says nothing."""
    tests = {
        "deletion": _order(trust.deletion, "deletion", "removing features in the order of attribution", findings),
        "insertion": _order(trust.insertion, "insertion", "adding features in the order of attribution", findings),
        "parameter_randomisation": _randomisation(trust.parameter_randomisation, findings),
        "random_logit": _random_logit(trust.random_logit, findings),
    }
    verdict = worst(*(test.verdict for test in tests.values() if test.value is not None))
    return trust.model_copy(update={**tests, "verdict": verdict})


def _order(test: OrderTest, name: str, words: str, findings: list[Finding]) -> OrderTest:
    if test.value is None:
        return test
    margin = 2 * (test.standard_error or 0.0)
    verdict: Verdict = "ok" if test.value > margin else "bad" if test.value < -margin else "warn"
    if verdict != "ok":
        than = "less than" if verdict == "bad" else "no more than"
        message = (
            f"not to be trusted: {words} changes the output {than} in random order ({test.value:.2g} ± {margin:.2g})"
        )
        findings.append(_finding(f"trust.{name}", test.value, 0.0, verdict, message, "trust"))
    return test.model_copy(update={"verdict": verdict})


def _randomisation(test: RandomisationTest, findings: list[Finding]) -> RandomisationTest:
    if test.value is None or test.among_random is None:
        return test
    limit = min(SAME, test.among_random + 2 * (test.among_random_deviation or 0.0))
    verdict: Verdict = "ok" if test.value <= limit else "warn"
    if verdict != "ok":
        message = (
            f"not to be trusted: importances hardly depend on what was learned: they correlate {test.value:.2g} with those "
            f"of models with shuffled weights, which among themselves correlate {test.among_random:.2g}"
        )
        findings.append(_finding("trust.parameter_randomisation", test.value, limit, verdict, message, "trust"))
    return test.model_copy(update={"verdict": verdict})


def _random_logit(test: SimilarityTest, findings: list[Finding]) -> SimilarityTest:
    if test.value is None:
        return test
    verdict: Verdict = "ok" if test.value <= SAME else "warn"
    if verdict != "ok":
        message = f"not to be trusted: another action is explained alike (correlation {test.value:.2g}, above {SAME:g})"
        findings.append(_finding("trust.random_logit", test.value, SAME, verdict, message, "trust"))
    return test.model_copy(update={"verdict": verdict})


def _outputs(explanation: Explanation, findings: list[Finding]) -> None:
    count = explanation.nonfinite_outputs
    if count:
        message = f"the model answers {count} of the states with NaN or Inf"
        findings.append(_finding("outputs", count, 0, "bad", message, "gradient_flow.nonfinite"))


def states_left_out(count: int, total: int, reason: str) -> Finding:
    """The finding that some dumped states could not be analysed."""
    causes, remedies = advice("states")
    return Finding(
        metric="states",
        value=count,
        threshold=0,
        level="warn",
        message=f"{count} of {total} dumped states are left out: {reason}",
        causes=causes,
        remedies=remedies,
    )


def _finding(
    metric: str, value: float | None, limit: float | None, level: Verdict, message: str, *keys: str
) -> Finding:
    causes, remedies = advice(*keys, metric)
    return Finding(
        metric=metric, value=value, threshold=limit, level=level, message=message, causes=causes, remedies=remedies
    )


def _number(
    metric: str, label: str, value: float | None, reason: str | None, limit: Limit, findings: list[Finding]
) -> Verdict:
    """Judge one number that every analysis should have; a missing one is a finding, too."""
    verdict, crossed = limit.judge(value)
    if value is None or crossed is None:
        if verdict == "unknown":
            findings.append(
                _finding(metric, None, None, "unknown", f"{label} was not computed: {reason or 'no reason given'}")
            )
        return verdict
    side = "low" if value < crossed else "high"
    words = f"{label} {value:.3g} is {'below' if side == 'low' else 'above'} {crossed:g}"
    findings.append(_finding(metric, value, crossed, verdict, words, f"{metric}.{side}"))
    return verdict


def _consensus(consensus: Consensus, thresholds: Thresholds, findings: list[Finding]) -> Consensus:
    verdict = _number(
        "consensus",
        "agreement between methods",
        consensus.mean_correlation,
        consensus.reason,
        thresholds.consensus,
        findings,
    )
    return consensus.model_copy(update={"verdict": verdict})


def _quality(quality: QualityMetrics, thresholds: Thresholds, findings: list[Finding]) -> QualityMetrics:
    limits: dict[str, Limit] = {
        "sparsity": thresholds.sparsity,
        "concentration": thresholds.concentration,
        "infidelity": thresholds.infidelity,
        "sensitivity": thresholds.sensitivity,
        "completeness": thresholds.completeness,
    }
    labels = {"completeness": "completeness error"}
    judged: dict[str, Estimate] = {}
    for name, limit in limits.items():
        part: Estimate = getattr(quality, name)
        verdict = _number(name, labels.get(name, name), part.value, part.reason, limit, findings)
        judged[name] = part.model_copy(update={"verdict": verdict})
    return quality.model_copy(update=judged)


def _gradient_flow(flow: GradientFlow, limits: GradientLimits, findings: list[Finding]) -> GradientFlow:
    if flow.reason is not None:
        findings.append(
            _finding("gradient_flow", None, None, "unknown", f"gradient flow was not computed: {flow.reason}")
        )
        return flow.model_copy(update={"verdict": "unknown"})
    kinds: list[tuple[str, list[str], float | None, Verdict, str]] = [
        ("nonfinite", flow.nonfinite, None, "bad", "a gradient of NaN or Inf"),
        (
            "vanishing",
            flow.vanishing_gradients,
            limits.vanishing,
            "bad",
            f"a gradient norm below {limits.vanishing:g}",
        ),
        (
            "exploding",
            flow.exploding_gradients,
            limits.exploding,
            "bad",
            f"a gradient norm above {limits.exploding:g}",
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
            findings.append(_finding(f"gradient_flow.{kind}", len(layers), limit, level, message))
            verdict = worst(verdict, level)
    return flow.model_copy(update={"verdict": verdict})


def _dead_features(dead: DeadFeatures, thresholds: Thresholds, findings: list[Finding]) -> DeadFeatures:
    verdict, crossed = thresholds.dead_features.judge(dead.total_count)
    names = [f"{branch}/{name}" for branch, features in dead.branches.items() for name in features]
    if dead.total_count is None:
        message = f"dead features were not looked for: {dead.reason or 'no reason given'}"
        findings.append(_finding("dead_features", None, None, "unknown", message))
    elif crossed is not None:
        message = f"{dead.total_count} dead features, more than {crossed:g}: {_some(names)}"
        findings.append(_finding("dead_features", dead.total_count, crossed, verdict, message))
    return dead.model_copy(update={"verdict": verdict})


def _stability(stability: Stability, findings: list[Finding]) -> Stability:
    """Rankings that moved further than sampling noise would; without a previous analysis there is nothing to judge."""
    value, null_low = stability.spearman, stability.null_low
    if value is None or null_low is None:
        return stability.model_copy(update={"verdict": "unknown"})
    if value >= null_low:
        return stability.model_copy(update={"verdict": "ok"})
    message = (
        f"rankings moved since the previous analysis: correlation {value:.3g}, "
        f"where sampling noise alone gives at least {null_low:.3g}"
    )
    findings.append(_finding("stability", value, null_low, "warn", message))
    return stability.model_copy(update={"verdict": "warn"})


def _branches(
    branches: Mapping[str, BranchShare], expected: Mapping[str, Band], findings: list[Finding]
) -> dict[str, BranchShare]:
    judged = {}
    for name, branch in branches.items():
        band = expected.get(name)
        verdict, crossed = band.judge(branch.share) if band else ("unknown", None)
        if band and branch.share is not None and crossed is not None:
            side = "low" if branch.share < crossed else "high"
            message = (
                f"branch {name} has {branch.share:.0%} of all importance, "
                f"{'below' if side == 'low' else 'above'} the expected {band.low:.0%} to {band.high:.0%}"
            )
            metric = f"branches.{name}"
            findings.append(_finding(metric, branch.share, crossed, verdict, message, f"{metric}.{side}", "branches"))
        judged[name] = branch.model_copy(update={"expected": band, "verdict": verdict})
    return judged


def _scores(explanation: Explanation, thresholds: Thresholds, findings: list[Finding]) -> None:
    """The guide's two tests on displayed scores: one feature above all others, and no feature of note anywhere.

    A feature that outweighs its own branch alone is a warning; one that outweighs the whole model is bad.
    """
    shares = [unit.share for units in explanation.units.values() for unit in units.values()]
    length = math.hypot(*shares)
    for branch, ranking in explanation.feature_importance.items():
        if len(ranking) < 2:
            continue
        name, score = ranking[0]
        verdict, crossed = thresholds.dominance.judge(score)
        if crossed is None:
            continue
        overall = explanation.units[branch][name].share / length if length else 0.0
        everything = overall > crossed
        message = (
            f"{branch}/{name} dominates {'all features' if everything else 'its branch'} "
            f"with a score of {overall if everything else score:.3g}, above {crossed:g}"
        )
        level: Verdict = verdict if everything else "warn"
        findings.append(_finding(f"dominance.{branch}", score, crossed, level, message, "dominance"))
    best = max((ranking[0][1] for ranking in explanation.feature_importance.values() if ranking), default=None)
    verdict, crossed = thresholds.weak_scores.judge(best)
    if best is not None and crossed is not None:
        message = f"all scores are low: the best of any branch is {best:.3g}, below {crossed:g}"
        findings.append(_finding("weak_scores", best, crossed, verdict, message))


def _some(names: list[str], shown: int = 3) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
