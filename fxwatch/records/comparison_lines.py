"""Comparisons as lines of text, for a terminal or a log."""

from collections.abc import Iterable

from fxwatch.records.analysis import BranchShare, Unit
from fxwatch.records.comparison import (
    BranchChange,
    Compared,
    DecisionComparison,
    FindingChange,
    ImportanceComparison,
    UnitChange,
)

_NAME = 40
_WITHIN = 10
_CONTRIBUTIONS = 20


def importance_lines(found: ImportanceComparison) -> list[str]:
    """Two analyses: what moved beyond the noise first, then the rest of note, branches and findings."""
    beyond = [unit for unit in found.units if unit.beyond]
    others = [unit for unit in found.units if not unit.beyond]
    unknown = bool(found.units) and found.units[0].band is None
    heading = "  how far noise moves them is not known" if unknown else "  within the noise"
    return [
        _compared("A", found.a),
        _compared("B", found.b),
        *(f"Note: {note}" for note in found.notes),
        _ranks(found),
        "",
        f"{'Features':<{_NAME}} {'share in A (95 %)':>22} {'share in B (95 %)':>22} {'points':>8} {'noise':>7}",
        f"  moved beyond the noise: {len(beyond) or 'none'}" if not unknown else heading,
        *map(_unit, beyond),
        *([] if unknown or not others else [heading]),
        *map(_unit, others[:_WITHIN]),
        *([f"    and {len(others) - _WITHIN} more"] if len(others) > _WITHIN else []),
        *_only("A", found.only_a),
        *_only("B", found.only_b),
        "",
        "Branches",
        *map(_branch, found.branches),
        "",
        "Findings that changed" if found.findings else "The findings are the same",
        *map(_finding, found.findings),
    ]


def decision_lines(found: DecisionComparison, state_a: str, state_b: str) -> list[str]:
    """Two states: both decisions, and what moved the policy from one to the other, the strongest first."""
    features = found.key_discriminative_features
    rest = features[_CONTRIBUTIONS:]
    return [
        f"A  {state_a}: {found.action_a}",
        f"B  {state_b}: {found.action_b}",
        f"Compared by {found.scalar}: {found.value_a:.4g} at A, {found.value_b:.4g} at B",
        f"From B to A it changes by {found.change:+.4g}; contributions miss that by {found.completeness_error:.1g}",
        "",
        f"{'Features':<{_NAME}} {'contribution':>13}",
        *(f"{_name(f'{branch}/{name}')} {value:>+13.4g}" for branch, name, value in features[:_CONTRIBUTIONS]),
        *([f"{f'{len(rest)} more':<{_NAME}} {sum(value for _, _, value in rest):>+13.4g}"] if rest else []),
    ]


def _ranks(found: ImportanceComparison) -> str:
    correlation = "unknown" if found.spearman is None else f"{found.spearman:.3f}"
    line = f"Rank correlation of the shares of {len(found.units)} features: {correlation}"
    if found.null_low is None:
        return line
    word = "beyond" if found.beyond else "within"
    return f"{line}, {word} the noise, which leaves at least {found.null_low:.3f}"


def _compared(letter: str, one: Compared) -> str:
    step = "" if one.step is None else f", step {one.step}"
    states = f"{one.states} state{'' if one.states == 1 else 's'}"
    return f"{letter}  {one.checkpoint}{step}, run {one.run}, {states}: {one.verdict.upper()} ({one.id})"


def _unit(unit: UnitChange) -> str:
    return _row(f"{unit.branch}/{unit.feature}", unit.a, unit.b, unit.change, unit.band)


def _branch(branch: BranchChange) -> str:
    moved = "  moved beyond the noise" if branch.beyond else ""
    return _row(branch.branch, branch.a, branch.b, branch.change, branch.band) + moved


def _row(name: str, a: Unit | BranchShare, b: Unit | BranchShare, change: float | None, band: float | None) -> str:
    points = "unknown" if change is None else f"{100 * change:+.1f}"
    noise = "-" if band is None else f"±{100 * band:.1f}"
    return f"{_name(f'    {name}')} {_share(a):>22} {_share(b):>22} {points:>8} {noise:>7}"


def _share(one: Unit | BranchShare) -> str:
    if one.share is None:
        return "unknown"
    interval = "" if one.low is None or one.high is None else f" ({100 * one.low:.1f} to {100 * one.high:.1f})"
    return f"{100 * one.share:.1f} %{interval}"


def _only(letter: str, names: Iterable[tuple[str, str]]) -> list[str]:
    told = ", ".join(f"{branch}/{name}" for branch, name in names)
    return [f"  only in {letter}: {told}"] if told else []


def _finding(change: FindingChange) -> str:
    if change.a is None:
        return f"    new     {change.b}: {change.message}"
    if change.b is None:
        return f"    gone    {change.a}: {change.message}"
    return f"    {change.a} -> {change.b}: {change.message}"


def _name(name: str) -> str:
    return f"{name if len(name) <= _NAME else name[: _NAME - 1] + '…':<{_NAME}}"
