"""Run every method that is asked for; one that fails says why and costs the others nothing."""

import time
import warnings
from collections.abc import Callable
from dataclasses import replace

from fxwatch.attribution.methods import BY_GRADIENTS, METHODS, Attributions
from fxwatch.attribution.policy import AttributionError
from fxwatch.attribution.reach import out_of_reach
from fxwatch.attribution.subject import Subject
from fxwatch.records.analysis import MethodReport
from fxwatch.records.base import finite


def method_names(subject: Subject) -> list[str]:
    """The primary method first, then the others, each once."""
    settings = subject.settings
    tunnel = ["noise_tunnel"] if settings.use_noise_tunnel else []
    return list(dict.fromkeys([settings.primary_method, *settings.secondary_methods, *tunnel]))


def run_methods(
    subject: Subject, progress: Callable[[str], None]
) -> tuple[dict[str, Attributions], dict[str, MethodReport], list[str]]:
    """Attributions by method, of those that ran, a report on each, and the branches that the primary cannot see.

    What several methods share is counted for the first that asks. Raises AttributionError where the primary method
    failed.
    """
    found: dict[str, Attributions] = {}
    reports: dict[str, MethodReport] = {}
    missed: list[str] = []
    for name in method_names(subject):
        progress(name.replace("_", " "))
        meter = subject.explained.meter
        forwards, backwards, began = meter.forwards, meter.backwards, time.perf_counter()
        result, reason = _attempt(name, subject)
        if result is not None and name in BY_GRADIENTS and (missed := out_of_reach(subject)):
            result, reason = _half_seen(result, ", ".join(missed))
        status = "failed" if result is None else "degenerate" if result.distrust else "ok"
        if result is not None:
            found[name] = result
        reports[name] = MethodReport(
            status=status,
            reason=reason,
            forwards=meter.forwards - forwards,
            backwards=meter.backwards - backwards,
            seconds=round(time.perf_counter() - began, 4),
            convergence_delta=_largest(result),
            steps=result.steps if result else None,
            successive_change=finite(result.successive) if result else None,
        )
    primary = subject.settings.primary_method
    if primary not in found:
        reason = reports[primary].reason or ""
        hint = '; [analysis] primary_method = "feature_ablation" needs no gradient' if "grad" in reason else ""
        raise AttributionError(f"the primary method {primary} cannot run on this model: {reason}{hint}")
    return found, reports, missed if primary in BY_GRADIENTS else []


def _attempt(name: str, subject: Subject) -> tuple[Attributions | None, str | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Captum's notes on its own hooks, which nobody here can act upon
            result = METHODS[name](subject)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's model raises is the reason that is published
        lines = str(error).strip().splitlines()
        return None, f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    if not bool(result.units.isfinite().all()):
        return None, "its attributions hold NaN or Inf"
    return result, result.distrust


def _half_seen(result: Attributions, unseen: str) -> tuple[Attributions | None, str]:
    """What a method by gradients is worth where they do not reach some branches: no vote, or nothing at all."""
    reason = (
        f"no gradient reaches {unseen}, which the output depends on: integers for an embedding, or detach(); "
        "feature_ablation needs none"
    )
    return (replace(result, distrust=reason), reason) if bool(result.units.any()) else (None, reason)


def _largest(result: Attributions | None) -> float | None:
    """The largest error of completeness over states, where the method has one."""
    return None if result is None or result.delta is None else finite(float(result.delta.abs().max()))
