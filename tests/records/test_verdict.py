"""The guide's thresholds, from both sides, and its two examples of a run's health."""

from typing import Any

import pytest

from fxwatch.records.analysis import Analysis, BranchShare, Consensus, DeadFeatures, Finding, Health, Stability
from fxwatch.records.base import Verdict, at_or_below, finite, worst
from fxwatch.records.gradients import Drop, GradientFlow, LayerGradient
from fxwatch.records.lines import console_lines
from fxwatch.records.quality import (
    Concentration,
    Estimate,
    Infidelity,
    OrderTest,
    QualityMetrics,
    RandomisationTest,
    Sensitivity,
    SimilarityTest,
    Trust,
)
from fxwatch.records.thresholds import EXPECTED_SHARES, AtLeast, AtMost, Band, Thresholds
from fxwatch.records.verdict import judge, states_left_out
from tests.analyses import analysis, explanation

TINY = 1e-9


def findings(**changes: Any) -> dict[str, Finding]:
    return {finding.metric: finding for finding in health_of(None, None, **changes).findings}


def health_of(step: int | None, previous: Health | None, **changes: Any) -> Health:
    return judge(explanation(**changes), Thresholds(), EXPECTED_SHARES, previous)[1].health(step)


def quality(**changes: Any) -> dict[str, Any]:
    return {"quality": explanation().quality.model_copy(update=changes)}


@pytest.mark.parametrize(
    ("name", "judged"),
    [
        ("consensus", {0.7: "ok", 0.7 - TINY: "warn", 0.4: "warn", 0.4 - TINY: "bad"}),
        ("sparsity", {0.1: "ok", 0.1 - TINY: "warn", 0.5: "ok", 0.6: "ok", 0.6 + TINY: "warn"}),
        ("concentration", {0.05: "ok", 0.05 - TINY: "warn", 0.4: "ok", 0.5: "ok", 0.5 + TINY: "bad"}),
        ("infidelity", {0.05: "ok", 0.05 + TINY: "warn", 0.1: "warn", 0.1 + TINY: "bad"}),
        ("sensitivity", {0.1: "ok", 0.1 + TINY: "warn", 0.3: "warn", 0.3 + TINY: "bad"}),
        ("dead_features", {5: "ok", 6: "warn", 15: "warn", 16: "bad"}),
    ],
)
def test_every_threshold_of_the_guide_from_both_sides(name: str, judged: dict[float, Verdict]) -> None:
    assert {value: getattr(Thresholds(), name).judge(value)[0] for value in judged} == judged


@pytest.mark.parametrize(
    ("branch", "low", "high"), [("portfolio", 0.4, 0.6), ("hf", 0.15, 0.35), ("mf", 0.2, 0.4), ("lf", 0.1, 0.25)]
)
def test_every_expected_band_of_the_guide_from_both_sides(branch: str, low: float, high: float) -> None:
    band = EXPECTED_SHARES[branch]
    assert [band.judge(value)[0] for value in (low - TINY, low, high, high + TINY)] == ["warn", "ok", "ok", "warn"]


def test_a_healthy_policy_has_no_finding_and_is_ok() -> None:
    assert findings() == {}
    assert analysis().health.verdict == "ok"


@pytest.mark.parametrize(
    ("changes", "metric", "level", "words", "cause", "remedy"),
    [
        (
            {"consensus": Consensus(mean_correlation=0.234)},
            "consensus",
            "bad",
            "agreement between methods 0.234 is below 0.4",
            "training instability",
            "reduce learning rate",
        ),
        (
            {"dead_features": DeadFeatures(branches={"hf": [f"f{i}" for i in range(16)]}, total_count=16)},
            "dead_features",
            "bad",
            "16 dead features, more than 15: hf/f0, hf/f1, hf/f2 and 13 more",
            "poor feature engineering",
            "remove consistently unused features",
        ),
        (
            {"gradient_flow": GradientFlow(of="f", vanishing_gradients=["a", "b"])},
            "gradient_flow.vanishing",
            "bad",
            "2 layers with a gradient norm below 1e-07: a, b",
            "model too deep",
            "add residual connections",
        ),
        (
            {"gradient_flow": GradientFlow(of="f", exploding_gradients=["a"])},
            "gradient_flow.exploding",
            "bad",
            "1 layer with a gradient norm above 1000: a",
            "learning rate too high",
            "add gradient clipping",
        ),
        (
            {"gradient_flow": GradientFlow(of="f", unused=["a"])},
            "gradient_flow.unused",
            "warn",
            "1 layer with no way to any output: a",
            "a layer whose output is computed and dropped, or never computed",
            "remove the layer, or connect its output",
        ),
        (
            {
                "gradient_flow": GradientFlow(
                    of="f", drops=[Drop.model_validate({"from": "b", "to": "a", "ratio": 1e-3})]
                )
            },
            "gradient_flow.drops",
            "warn",
            "1 step between layers with a fall of the gradient by more than 100×: b to a",
            "saturated activation functions",
            "add residual connections",
        ),
        (
            {"stability": Stability(previous="x", spearman=0.5, null_low=0.8)},
            "stability",
            "warn",
            (
                "rankings moved since the previous analysis: correlation 0.5, "
                "where sampling noise alone gives at least 0.8"
            ),
            "poor episode termination",
            "review episode reset logic",
        ),
        (
            {"branches": {"portfolio": BranchShare(share=0.1), "own": BranchShare(share=0.9)}},
            "branches.portfolio",
            "warn",
            "branch portfolio has 10% of all importance, below the expected 40% to 60%",
            "model not properly considering current state",
            "make sure that the reward depends on the position",
        ),
        (
            {"branches": {"hf": BranchShare(share=0.5), "own": BranchShare(share=0.5)}},
            "branches.hf",
            "warn",
            "branch hf has 50% of all importance, above the expected 15% to 35%",
            "over-fitting to noise",
            "add regularization",
        ),
    ],
)
def test_a_finding_says_what_and_why_and_what_to_do(
    changes: dict[str, Any], metric: str, level: Verdict, words: str, cause: str, remedy: str
) -> None:
    found = findings(**changes)
    assert list(found) == [metric]
    assert (found[metric].level, found[metric].message) == (level, words)
    assert cause in found[metric].causes
    assert remedy in found[metric].remedies


@pytest.mark.parametrize(("name", "low", "high"), [("sparsity", 0.05, 0.7), ("concentration", 0.02, 0.6)])
def test_too_little_and_too_much_have_advice_of_their_own(name: str, low: float, high: float) -> None:
    part: Any = Concentration if name == "concentration" else Estimate
    little, much = (findings(**quality(**{name: part(value=value)}))[name] for value in (low, high))
    assert little.causes != much.causes
    assert little.remedies
    assert much.remedies


def test_one_feature_above_all_others_is_bad_and_above_its_branch_a_warning() -> None:
    healthy = explanation()
    lone = healthy.units | {"hf": {"x": healthy.units["hf"]["spread"].model_copy(update={"share": 50.0})}}
    ranking = healthy.feature_importance | {"hf": [("x", 0.99), ("y", 0.05)]}
    assert findings(feature_importance=ranking, units=lone)["dominance.hf"].level == "bad"
    small = healthy.units | {"hf": {"x": healthy.units["hf"]["spread"].model_copy(update={"share": 0.01})}}
    assert findings(feature_importance=ranking, units=small)["dominance.hf"].level == "warn"
    assert findings(feature_importance=healthy.feature_importance | {"hf": [("x", 1.0)]}) == {}


def test_a_score_that_has_hardly_left_its_limit_is_not_said_to_be_beyond_it() -> None:
    rankings = explanation().feature_importance

    def with_best(score: float, branches: list[str], previous: Health | None = None) -> Health:
        ranked = {
            name: [(names[0][0], score)] + [(other, 0.1) for other, _ in names[1:]] for name, names in rankings.items()
        }
        return health_of(1, previous, feature_importance={name: ranked[name] for name in branches})

    first, all_of_them = list(rankings)[:1], list(rankings)
    high = with_best(0.94, first, with_best(0.96, first)).findings[0].message
    low = with_best(0.31, all_of_them, with_best(0.29, all_of_them)).findings[0].message
    assert high.endswith("0.94 was above 0.95 and is still close to it")
    assert low.endswith("0.31 was below 0.3 and is still close to it")


def test_all_features_dead_is_a_warning_however_few_there_are() -> None:
    units = {"hf": explanation().units["hf"]}
    dead = DeadFeatures(branches={"hf": list(units["hf"])}, total_count=len(units["hf"]))
    found = findings(units=units, dead_features=dead)["dead_features"]
    assert (found.level, found.message) == (
        "warn",
        "all 3 features are dead: hf/price_velocity, hf/volume_ratio, hf/spread",
    )


def test_no_feature_of_note_anywhere_is_a_warning() -> None:
    ranking = {branch: [(name, 0.2) for name, _ in names] for branch, names in explanation().feature_importance.items()}
    assert findings(feature_importance=ranking)["weak_scores"].message == (
        "all scores are low, the best of any branch: 0.2 is below 0.3"
    )


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({"consensus": Consensus(reason="fewer than two methods could vote")}, "consensus"),
        (quality(infidelity=Infidelity(reason="r")), "infidelity"),
        (quality(sensitivity=Sensitivity(reason="r")), "sensitivity"),
        ({"gradient_flow": GradientFlow(of="", reason="r")}, "gradient_flow"),
        ({"dead_features": DeadFeatures(reason="r")}, "dead_features"),
    ],
)
def test_what_was_not_computed_never_makes_a_run_ok(changes: dict[str, Any], metric: str) -> None:
    found = analysis(**changes)
    assert found.health.verdict == "unknown"
    assert [finding.metric for finding in found.health.findings] == [metric]
    assert found.health.findings[0].value is None
    assert found.health.findings[0].remedies == []  # they are for a value that is not well


def test_a_first_analysis_has_no_stability_and_is_not_blamed_for_it() -> None:
    assert analysis(stability=Stability(reason="no previous analysis")).health.verdict == "ok"


def test_findings_are_worst_first_and_tell_since_when_and_how_often_in_a_row() -> None:
    ill: dict[str, Any] = {
        "consensus": Consensus(mean_correlation=0.5),
        "dead_features": DeadFeatures(total_count=20),
        **quality(sparsity=Estimate()),
    }
    first = health_of(100, None, **ill)
    second = health_of(200, first, **ill)
    third = health_of(300, second)
    fourth = health_of(400, third, **ill)
    assert [finding.level for finding in first.findings] == ["bad", "warn", "unknown"]
    assert {(finding.since_step, finding.in_a_row) for finding in second.findings} == {(100, 2)}
    assert third == Health(verdict="ok")
    assert {(finding.since_step, finding.in_a_row) for finding in fourth.findings} == {(400, 1)}


def consensus(value: float | None) -> dict[str, Any]:
    return {"consensus": Consensus(mean_correlation=value, reason=None if value is not None else "too few voted")}


def vanishing(*layers: str) -> dict[str, Any]:
    return {"gradient_flow": GradientFlow(of="f", vanishing_gradients=list(layers))}


def dead(*features: str) -> dict[str, Any]:
    return {"dead_features": DeadFeatures(branches={"hf": list(features)}, total_count=len(features))}


@pytest.mark.parametrize(
    ("series", "since"),
    [
        ([consensus(None), consensus(None), consensus(0.2)], [(1, 1), (1, 2), (3, 1)]),
        ([consensus(0.2), consensus(None), consensus(0.2)], [(1, 1), (2, 1), (3, 1)]),
        ([consensus(0.6), consensus(0.2), consensus(0.6)], [(1, 1), (1, 2), (1, 3)]),
        (
            [quality(concentration=Concentration(value=value)) for value in (0.03, 0.03, 0.7, 0.7)],
            [(1, 1), (1, 2), (3, 1), (3, 2)],
        ),
        ([{"branches": {"hf": BranchShare(share=x), "own": BranchShare()}} for x in (0.5, 0.1)], [(1, 1), (2, 1)]),
        ([vanishing("a"), vanishing("b"), vanishing("b", "c"), vanishing("c")], [(1, 1), (2, 1), (2, 2), (2, 3)]),
        ([dead(*"abcdef"), dead(*"fghijkl"), dead(*"mnopqr")], [(1, 1), (1, 2), (3, 1)]),
        ([{"nonfinite_outputs": 3}, {"nonfinite_outputs": 1}], [(1, 1), (1, 2)]),
    ],
    ids=["unknown", "unknown between", "worse", "the other side", "a branch", "layers", "features", "without names"],
)
def test_a_finding_goes_on_only_where_it_is_about_the_same(
    series: list[dict[str, Any]], since: list[tuple[int, int]]
) -> None:
    found, previous = [], None
    for step, changes in enumerate(series, 1):
        previous = health_of(step, previous, **changes)
        found.append((previous.findings[0].since_step, previous.findings[0].in_a_row))
    assert found == since


def test_a_value_on_the_line_does_not_flap() -> None:
    """A limit once crossed is held until the value is better by a twentieth of it."""
    verdicts, previous = [], None
    for value in (0.71, 0.69, 0.71, 0.73, 0.74, 0.71, 0.38, 0.41, 0.43):
        previous = health_of(None, previous, consensus=Consensus(mean_correlation=value))
        verdicts.append(previous.verdict)
    assert verdicts == ["ok", "warn", "warn", "warn", "ok", "ok", "bad", "bad", "warn"]
    held = health_of(
        2, health_of(1, None, consensus=Consensus(mean_correlation=0.6)), consensus=Consensus(mean_correlation=0.71)
    )
    assert held.findings[0].message == "agreement between methods 0.71 was below 0.7 and is still close to it"


def trusted(**tests: Any) -> dict[str, Any]:
    return {"trust": Trust(**tests)}


def shuffled(value: float) -> dict[str, Any]:
    return trusted(parameter_randomisation=RandomisationTest(value=value, among_random=0.4))


def ranked(spearman: float, null_low: float = 0.9) -> dict[str, Any]:
    return {"stability": Stability(previous="x", spearman=spearman, null_low=null_low)}


def norm(value: float) -> dict[str, Any]:
    gradients = {name: LayerGradient(norm=one, mean=one) for name, one in {"a": value, "b": 1.0}.items()}
    low, high = ["a"] * (value < 1e-7), ["a"] * (value > 1e3)
    flow = GradientFlow(of="f", layer_gradients=gradients, vanishing_gradients=low, exploding_gradients=high)
    return {"gradient_flow": flow}


@pytest.mark.parametrize(
    ("series", "verdicts", "words"),
    [
        (
            [trusted(random_logit=SimilarityTest(value=value)) for value in (0.899, 0.901, 0.899, 0.85, 0.899)],
            ["ok", "warn", "warn", "ok", "ok"],
            "correlation 0.899 was above 0.9 and is still close to it",
        ),
        ([shuffled(0.39), shuffled(0.41), shuffled(0.39), shuffled(0.37)], ["ok", "warn", "warn", "ok"], "hardly"),
        (
            [ranked(0.9001), ranked(0.899), ranked(0.9001), ranked(0.946)],
            ["ok", "warn", "warn", "ok"],
            "rankings moved before, and hardly hold still yet: correlation 0.9, where",
        ),
        ([ranked(0.9, 0.98), ranked(0.985, 0.981), ranked(0.991, 0.981)], ["warn", "warn", "ok"], "hardly"),
        (
            [norm(value) for value in (1.01e-7, 0.99e-7, 1.01e-7, 1.1e-7, 1.01e-7)],
            ["ok", "bad", "bad", "ok", "ok"],
            "1 layer with a gradient norm below 1e-07, or still close to it: a",
        ),
        (
            [norm(value) for value in (999, 1001, 999, 900)],
            ["ok", "bad", "bad", "ok"],
            "1 layer with a gradient norm above 1000, or still close to it: a",
        ),
    ],
    ids=["random logit", "shuffled weights", "rankings", "near 1", "vanishing", "exploding"],
)
def test_tests_of_trust_rankings_and_gradients_do_not_flap_either(
    series: list[dict[str, Any]], verdicts: list[Verdict], words: str
) -> None:
    found, messages, previous = [], [], None
    for changes in series:
        previous = health_of(None, previous, **changes)
        found.append(previous.verdict)
        messages += [one.message for one in previous.findings]
    assert found == verdicts
    assert words in messages[1]


@pytest.mark.parametrize(
    ("name", "crossed", "near", "far"),
    [("infidelity", 0.06, 0.049, 0.047), ("sparsity", 0.61, 0.58, 0.56), ("sparsity", 0.09, 0.104, 0.106)],
)
def test_every_kind_of_limit_is_held_on_the_side_that_was_crossed(
    name: str, crossed: float, near: float, far: float
) -> None:
    limit = getattr(Thresholds(), name)
    verdict, held = limit.judge(crossed)
    assert verdict == "warn"
    assert limit.judge(near, held)[0] == "warn"
    assert limit.judge(far, held)[0] == "ok"
    assert limit.judge(near)[0] == "ok"


def test_states_left_out_are_a_finding() -> None:
    _, findings = judge(explanation(), Thresholds(), EXPECTED_SHARES)
    states_left_out(findings, 3, 32, "hf/x is NaN")
    found = findings.health(1).findings[0]
    assert found.message == "3 of 32 dumped states are left out: hf/x is NaN"
    assert found.level == "warn"


@pytest.mark.parametrize(
    ("trust", "level", "words"),
    [
        (Trust(deletion=OrderTest(value=0.3, standard_error=0.1)), None, ""),
        (Trust(deletion=OrderTest(value=0.1, standard_error=0.1)), "warn", "no more than in random order (0.1 ± 0.2"),
        (Trust(insertion=OrderTest(value=-0.3, standard_error=0.1)), "bad", "adding features in the order"),
        (
            Trust(parameter_randomisation=RandomisationTest(value=0.5, among_random=0.4, among_random_deviation=0.1)),
            None,
            "",
        ),
        (
            Trust(parameter_randomisation=RandomisationTest(value=0.7, among_random=0.4, among_random_deviation=0.1)),
            "warn",
            "hardly depend on what was learned",
        ),
        (
            Trust(parameter_randomisation=RandomisationTest(value=0.95, among_random=0.94, among_random_deviation=0.1)),
            "warn",
            "hardly depend on what was learned",
        ),
        (Trust(random_logit=SimilarityTest(value=0.9)), None, ""),
        (Trust(random_logit=SimilarityTest(value=0.91)), "warn", "another action is explained alike"),
    ],
)
def test_an_explanation_that_fails_a_test_of_trust_is_said_not_to_be_trusted(
    trust: Trust, level: Verdict | None, words: str
) -> None:
    found = list(findings(trust=trust).values())
    assert [one.level for one in found] == ([] if level is None else [level])
    if level is not None:
        assert found[0].message.startswith("not to be trusted: ")
        assert words in found[0].message
        assert "do not cut features by these rankings" in found[0].remedies


def test_the_guides_excellent_example() -> None:
    assert console_lines(analysis())[:5] == [
        "🔍 Captum attribution analysis completed - feature importance updated",
        "Attribution consensus: 0.823",
        "Attribution quality - Sparsity: 0.267, Concentration: 0.134",
        "Dead features: 2",
        "Gradient flow: 0 vanishing, 0 exploding layers",
    ]
    assert console_lines(analysis())[5] == "Health: OK at step 1000 of default"


def concerning() -> Analysis:
    return analysis(
        consensus=Consensus(mean_correlation=0.234),
        quality=QualityMetrics(
            sparsity=Estimate(value=0.067),
            concentration=Concentration(value=0.734),
            infidelity=Infidelity(value=0.02),
            sensitivity=Sensitivity(value=0.02),
            completeness=Estimate(value=0.0),
        ),
        dead_features=DeadFeatures(total_count=23),
        gradient_flow=GradientFlow(of="f", vanishing_gradients=list("abcde"), exploding_gradients=list("xy")),
    )


def test_the_guides_concerning_example() -> None:
    assert console_lines(concerning())[1:5] == [
        "⚠️ Attribution consensus: 0.234",
        "⚠️ Attribution quality - Sparsity: 0.067, Concentration: 0.734",
        "⚠️ Dead features: 23",
        "⚠️ Gradient flow: 5 vanishing, 2 exploding layers",
    ]
    assert console_lines(concerning())[5].startswith("⚠️ Health: BAD at step 1000 of default - ")
    assert "and 3 more" in console_lines(concerning())[5]


def test_what_is_unknown_is_said_to_be() -> None:
    unknown = analysis(
        consensus=Consensus(reason="r"),
        dead_features=DeadFeatures(reason="r"),
        gradient_flow=GradientFlow(of="", reason="r"),
    )
    assert console_lines(unknown)[1] == "Attribution consensus: unknown"
    assert console_lines(unknown)[3:5] == [
        "Dead features: unknown",
        "Gradient flow: unknown vanishing, unknown exploding layers",
    ]


def test_verdicts_are_ordered() -> None:
    assert worst("ok", "unknown", "warn") == "warn"
    assert worst("ok", "unknown") == "unknown"
    assert worst() == "unknown"
    assert at_or_below("bad", "warn")
    assert not at_or_below("unknown", "warn")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_only_finite_numbers_reach_a_record(value: float | None) -> None:
    assert finite(value) is None
    with pytest.raises(ValueError, match="finite"):
        Estimate(value=float("nan"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AtLeast(ok=0.4, bad=0.7), "must not lie above"),
        (lambda: AtMost(ok=0.4, bad=0.3), "must not lie below"),
        (lambda: Band(low=0.6, high=0.4), "0 <= low <= high <= 1"),
    ],
)
def test_limits_that_contradict_themselves_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_an_analysis_survives_its_file() -> None:
    before = concerning()
    assert Analysis.model_validate_json(before.model_dump_json()) == before
    assert before.model_dump(mode="json")["dead_features"]["total_count"] == 23
    flat = analysis(
        dead_features=DeadFeatures(branches={"hf": ["x"]}, total_count=1, causes={"hf": {"x": "constant_input"}})
    )
    assert flat.model_dump(mode="json")["dead_features"]["hf"] == ["x"]
    assert Analysis.model_validate_json(flat.model_dump_json()).dead_features.branches == {"hf": ["x"]}


def test_a_lone_branch_has_no_band_to_be_in() -> None:
    judged, found = judge(explanation(branches={"hf": BranchShare(share=1.0)}), Thresholds(), EXPECTED_SHARES)
    assert not [one for one in found.health(1).findings if one.metric.startswith("branches")]
    assert judged.branches["hf"].expected is None
