"""What drives each decision: the leading features by action, and by size where the model has more than one output.

The features that lead are held against those that a person would expect to lead there.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import comb
from statistics import fmean

import torch
from torch import Tensor

from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.engine import Scalar
from fxwatch.attribution.grid import of_scalars, passes_of
from fxwatch.attribution.importance import rankings
from fxwatch.attribution.policy import AttributionError, Choice, Explained, choose
from fxwatch.attribution.reach import STATES, no_gradient, out_of_reach
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import Units, sum_over_time
from fxwatch.records.decisions import Decision, ExpectedFeature, Ranking
from fxwatch.records.expected_features import ExpectedFeatures, expected_of, meant_by

LEADING = 5


def decisions(
    signed: Tensor, choice: Tensor, units: Units, names: Mapping[int, str], expected: ExpectedFeatures
) -> dict[str, Decision]:
    """For each action taken: in how many states, what led there, and whether that was to be expected.

    signed: (N, units), attributions of the component that `choice` (N,) says was taken.
    """
    found = {}
    for action in choice.unique().tolist():
        rows = choice == action
        found[names[action]] = _decision(signed[rows], units, expected_of(names[action], expected))
    return found


def further_decisions(
    subject: Subject,
    outputs: Mapping[str, Tensor],
    action: Tensor | None,
    expected: ExpectedFeatures,
    continuous: Collection[str] = (),
) -> dict[str, Decision]:
    """The decisions of the policy's other discrete outputs, keyed as in `action_size 2`.

    Each is explained by its own chosen logit, on the frozen grid. A discrete output is one of several components whose
    action is in the dump, or whose name begins with `action`; action: (N,) or (N, heads).
    """
    policy, meter = subject.explained.policy, subject.explained.meter
    choices = _choices(outputs, subject.explained.target, action, continuous)
    few = torch.tensor(evenly(subject.count, STATES))
    at_few = replace(subject, inputs=rows_of(subject.inputs, few))
    reasons = {
        name: _out_of_sight(replace(at_few, explained=Explained(policy, name, meter), choice=choice.index[few]))
        for name, choice in choices.items()
    }
    asked = [Scalar(name, choice.index) for name, choice in choices.items() if reasons[name] is None]
    known = dict(zip([one.output for one in asked], _signed(subject, asked), strict=True))
    found: dict[str, Decision] = {}
    for name, choice in choices.items():
        names = action_names(choice, name, [])
        if name in known:
            found |= decisions(known[name], choice.index, subject.units, names, expected)
        else:
            counts = choice.index.bincount().tolist()
            found |= {names[one]: Decision(count=counts[one], features={}, reason=reasons[name]) for one in names}
    return found


def _out_of_sight(subject: Subject) -> str | None:
    """Why gradients do not explain an output."""
    unseen = out_of_reach(subject)
    return f"no gradient reaches {', '.join(unseen)}, which it depends on" if unseen else no_gradient(subject)


def _signed(subject: Subject, scalars: list[Scalar]) -> list[Tensor]:
    """Attributions of several outputs by unit, (N, units) each, on one grid."""
    if not scalars:
        return []
    return [sum_over_time(found) for found in of_scalars(subject, subject.inputs, scalars, passes_of(subject))]


def action_names(choice: Choice, target: str, actions: list[str]) -> dict[int, str]:
    """The names of the components that were taken: those of the config, else the output's with the number."""
    if choice.kind == "scalar":
        return {0: target}
    word = "component" if choice.kind == "continuous" else target
    names = dict(enumerate(actions)) if choice.kind == "discrete" else {}
    return {index: names.get(index, f"{word} {index}") for index in choice.index.unique().tolist()}


def _choices(
    outputs: Mapping[str, Tensor], target: str, action: Tensor | None, continuous: Collection[str]
) -> dict[str, Choice]:
    found = {}
    for name, output in outputs.items():
        if name in {target, "value", *continuous} or output.ndim != 2 or not output.is_floating_point():
            continue
        try:
            choice = choose(dict(outputs), name, action)
        except AttributionError:  # the dump's actions are not this output's
            choice = choose(dict(outputs), name, None)
        if choice.kind == "discrete" and (choice.taken == "dump" or name.startswith("action")):
            found[name] = choice
    return found


def _decision(signed: Tensor, units: Units, expected: Mapping[str, Sequence[str]] | None) -> Decision:
    if not bool(signed.isfinite().all()):
        return Decision(count=len(signed), features={}, reason="its attributions hold NaN or Inf")
    ranked = rankings(signed, units)
    leading = {branch: ranking[:LEADING] for branch, ranking in ranked.items()}
    mean = dict(zip(units.names(), signed.double().mean(0).tolist(), strict=True))
    found = {
        branch: [_place(words, ranked[branch]) for words in wanted]
        for branch, wanted in (expected or {}).items()
        if branch in ranked
    }
    known = [(one, len(ranked[branch])) for branch, wanted in found.items() for one in wanted if one.features]
    return Decision(
        count=len(signed),
        features=leading,
        signed={branch: {name: mean[branch, name] for name, _ in best} for branch, best in leading.items()},
        expected=found,
        agreement=fmean(one.leading for one, _ in known) if known else None,
        by_chance=fmean(_by_chance(len(one.features), size) for one, size in known) if known else None,
        reason=None if known else _unknown(expected),
    )


def _place(words: str, ranking: Ranking) -> ExpectedFeature:
    order = [name for name, _ in ranking]
    features = meant_by(words, order)
    rank = order.index(features[0]) + 1 if features else None
    return ExpectedFeature(
        words=words, features=features, rank=rank, leading=rank is not None and rank <= _leading(len(order))
    )


def _leading(features: int) -> int:
    """How many features of a branch lead: with all of a small branch leading, every expectation would come true."""
    return min(LEADING, (features + 1) // 2)


def _by_chance(meant: int, features: int) -> float:
    """The probability that one of the features that are meant would lead were their order random."""
    lead = _leading(features)
    return 1 - comb(features - meant, lead) / comb(features, lead)


def _unknown(expected: Mapping[str, Sequence[str]] | None) -> str:
    if expected is None:
        return "nothing is known of what should lead this action; [decisions] in the config says it"
    if not any(expected.values()):
        return "[decisions] in the config expects nothing of this action"
    return "the model has none of the features that should lead this action; [decisions] in the config names others"
