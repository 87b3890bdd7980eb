"""Tests that an explanation fails make it one that is not to be trusted, in words. A test not made says nothing."""

from fxwatch.records.base import Verdict, worst
from fxwatch.records.findings import Findings, crossing
from fxwatch.records.quality import OrderTest, RandomisationTest, SimilarityTest, Trust
from fxwatch.records.thresholds import Between

SAME = 0.9
"""Rank correlation above which two attributions that must differ count as the same."""


def judge_trust(trust: Trust, findings: Findings) -> Trust:
    """The tests with their verdicts."""
    tests = {
        "deletion": _order(trust.deletion, "deletion", "removing features in the order of attribution", findings),
        "insertion": _order(trust.insertion, "insertion", "adding features in the order of attribution", findings),
        "parameter_randomisation": _randomisation(trust.parameter_randomisation, findings),
        "random_logit": _random_logit(trust.random_logit, findings),
    }
    verdict = worst(*(test.verdict for test in tests.values() if test.value is not None))
    return trust.model_copy(update={**tests, "verdict": verdict})


def _order(test: OrderTest, name: str, words: str, findings: Findings) -> OrderTest:
    """Better than chance by two standard errors is well; worse than chance by as much is bad."""
    if test.value is None:
        return test
    margin = 2 * (test.standard_error or 0.0)
    verdict: Verdict = "ok" if test.value > margin else "bad" if test.value < -margin else "warn"
    if verdict != "ok":
        than = "less than" if verdict == "bad" else "no more than"
        by = f"{test.value:.2g} ± {margin:.2g} deviations"
        message = f"not to be trusted: {words} changes the output {than} in random order ({by})"
        findings.add(f"trust.{name}", test.value, 0.0, verdict, message, "trust")
    return test.model_copy(update={"verdict": verdict})


def _randomisation(test: RandomisationTest, findings: Findings) -> RandomisationTest:
    """The agreement with models that learned nothing must not exceed that between those by two deviations."""
    if test.value is None or test.among_random is None:
        return test
    limit = min(SAME, test.among_random + 2 * (test.among_random_deviation or 0.0))
    verdict, crossed = Between(high=limit).judge(test.value, findings.held("trust.parameter_randomisation"))
    if crossed is not None:
        message = (
            "not to be trusted: importances hardly depend on what was learned: they correlate "
            f"{test.value:.2g} with those of models with shuffled weights, which agree among themselves by "
            f"{test.among_random:.2g}"
        )
        findings.add("trust.parameter_randomisation", test.value, crossed, verdict, message, "trust")
    return test.model_copy(update={"verdict": verdict})


def _random_logit(test: SimilarityTest, findings: Findings) -> SimilarityTest:
    if test.value is None:
        return test
    verdict, crossed = Between(high=SAME).judge(test.value, findings.held("trust.random_logit"))
    if crossed is not None:
        told = crossing(test.value, crossed, "high")
        message = f"not to be trusted: another action is explained alike: correlation {told}"
        findings.add("trust.random_logit", test.value, crossed, verdict, message, "trust")
    return test.model_copy(update={"verdict": verdict})
