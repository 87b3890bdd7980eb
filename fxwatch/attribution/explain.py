"""Explain a policy over some states: run the methods, measure all, say what could not be measured and why."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fxwatch.attribution.activations import dormant_units
from fxwatch.attribution.attention import Maps, attention, attention_maps, maps_by_state
from fxwatch.attribution.baselines import baselines
from fxwatch.attribution.consensus import consensus
from fxwatch.attribution.dead_features import dead_at_once, dead_features, low_importance
from fxwatch.attribution.decisions import action_names, decisions, further_decisions
from fxwatch.attribution.engine import batch_that_fits, batches
from fxwatch.attribution.faithfulness import deletion_and_insertion
from fxwatch.attribution.gradient_flow import gradient_flow
from fxwatch.attribution.grid import at_states, passes_of
from fxwatch.attribution.importance import rankings, shares, unit_importance
from fxwatch.attribution.inside import inside
from fxwatch.attribution.methods import Attributions
from fxwatch.attribution.policy import AttributionError, Branches, Choice, Explained, Meter, choose, component
from fxwatch.attribution.randomisation import architecture, parameter_randomisation, random_logit
from fxwatch.attribution.ranks import ranks_by_method
from fxwatch.attribution.reach import UNSEEN, no_gradient
from fxwatch.attribution.run_methods import run_methods
from fxwatch.attribution.spread import concentration, sparsity
from fxwatch.attribution.stability import stability
from fxwatch.attribution.subject import VALUES_HERE, Subject, rows_of
from fxwatch.attribution.telemetry import optimizer_telemetry
from fxwatch.attribution.trust import completeness, infidelity, sensitivity
from fxwatch.attribution.unexplained import unexplained
from fxwatch.attribution.units import Units, spread, sum_over_time
from fxwatch.records.analysis import Analysis, BranchShare, Cost, DeadFeatures, Explanation, Stability, Target
from fxwatch.records.expected_features import EXPECTED_FEATURES, ExpectedFeatures
from fxwatch.records.gradients import GradientFlow
from fxwatch.records.moments import Moments
from fxwatch.records.quality import Estimate, QualityMetrics, RandomisationTest, Sensitivity, SimilarityTest, Trust
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits

Arrays = dict[str, NDArray[np.floating]]
Progress = Callable[[str], None]

_LITTLE = 0.5
_PROBE_PASSES = 2


@dataclass(frozen=True, slots=True)
class Previous:
    """What the run's previous analysis left for comparison.

    Its attributions (states, units) of the probe, its attention maps of a few probe states by layer, the (branch,
    feature) that it called dead by low importance, and its randomisation test, which holds for the same architecture.
    """

    id: str
    probe: NDArray[np.floating]
    attention: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    low_importance: frozenset[tuple[str, str]] = frozenset()
    randomisation: RandomisationTest | None = None

    @classmethod
    def of(cls, analysis: Analysis, arrays: Mapping[str, NDArray[np.floating]]) -> "Previous":
        """What an analysis leaves, with its arrays. Raises KeyError where these have no probe."""
        low = {
            (branch, name)
            for branch, causes in analysis.dead_features.causes.items()
            for name, cause in causes.items()
            if cause == "low_importance"
        }
        maps, test = maps_by_state(arrays), analysis.trust.parameter_randomisation
        return cls(analysis.id, arrays["probe"], maps, frozenset(low), test)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known besides the policy and its states.

    The run's probe states (None: the states themselves), its previous analysis, the shares of all units in its last
    analyses, oldest first (analyses, units), and Adam's moments by parameter.
    """

    probe: States | None = None
    previous: Previous | None = None
    shares: NDArray[np.floating] | None = None
    moments: Mapping[str, Moments] = field(default_factory=dict)


def explain(
    policy: nn.Module,
    states: States,
    settings: AnalysisSettings,
    limits: GradientLimits,
    context: Context = Context(),
    *,
    continuous: Collection[str] = (),
    expected: ExpectedFeatures = EXPECTED_FEATURES,
    progress: Progress = lambda stage: None,  # noqa: ARG005
) -> tuple[Explanation, Arrays]:
    """Explain a policy over N states.

    `policy` takes the states' branches in order and returns its outputs by name; `continuous` names the outputs that
    are continuous actions rather than logits; `expected` says which features should lead each action. Returns the
    explanation and its arrays: heat/BRANCH (time, features), the signed mean attribution; attention/LAYER (heads,
    query, key), the mean; attention_probe/LAYER (states, heads, query, key), of a few probe states; probe (states,
    units). Raises AttributionError.
    """
    began = time.perf_counter()
    units = Units(states.features)
    inputs = tensors(states, policy)
    meter = Meter()
    outputs = answers(policy, inputs, meter)
    meter.batch = batch_that_fits(policy, inputs, meter)
    target = target_of(settings, list(outputs))
    good = torch.stack([output.reshape(len(output), -1).isfinite().all(1) for output in outputs.values()]).all(0)
    if not bool(good.any()):
        return unexplained(units, settings, len(good), Cost(forwards=meter.forwards, backwards=0, seconds=0.0)), {}
    inputs, outputs = rows_of(inputs, good), {name: output[good] for name, output in outputs.items()}
    taken = dumped_actions(states, good)
    choice = choose(outputs, target, taken, continuous=target in continuous)
    if choice.kind == "discrete" and settings.actions and len(settings.actions) != outputs[target].shape[1]:
        raise AttributionError(
            f"[analysis] actions names {len(settings.actions)} actions, but output {target!r} has "
            f"{outputs[target].shape[1]} logits; name them all, or none"
        )
    explained = Explained(policy, target, meter)
    subject = _subject(explained, inputs, choice.index, outputs, units, settings)

    found, reports, unseen = run_methods(subject, progress)
    primary = found[settings.primary_method]
    by_unit, by_branch = unit_importance(primary.units, units)
    by_branch |= {branch: BranchShare(reason=f"{settings.primary_method} {UNSEEN}") for branch in unseen}
    blind = no_gradient(subject)
    progress("quality")
    quality = _quality(subject, primary, blind)
    progress("trust")
    trust = _trust(subject, primary, outputs[target], context.previous, blind)
    progress("gradient flow")
    flow = _flow(explained, inputs, choice, settings, limits)
    flow = flow.model_copy(update={"optimizer": optimizer_telemetry(policy, context.moments)})
    progress("dead features")
    dead = _dead(subject, outputs, shares(primary.units.double().abs().mean(0)), context, unseen, states.blurred)
    progress("stability")
    probe, probed = _on_probe(subject, outputs, context.probe, blind, continuous=target in continuous)
    maps = attention_maps(policy, probe, meter)
    previous = context.previous
    within = inside(subject, f"{target}, {choice.words}", progress)
    progress("decisions")
    names = action_names(choice, target, settings.actions)
    voters = {name: result.units for name, result in found.items() if result.distrust is None}
    explanation = Explanation(
        target=Target(config=target, words=choice.words, baseline=subject.baselines.words),
        feature_importance=rankings(primary.units, units),
        units=by_unit,
        branches=by_branch,
        consensus=consensus(voters).model_copy(update={"ranks": ranks_by_method(voters, units)}),
        quality=quality,
        trust=trust,
        gradient_flow=flow,
        dead_features=dead,
        stability=Stability(reason=blind)
        if blind
        else stability(probed, _tensor(previous.probe if previous else None), previous.id if previous else None),
        attention=within.put_into(attention(maps, _earlier_maps(previous, probed))),
        layer_attribution=within.layers,
        neurons=within.neurons,
        dormant_units=dormant_units(policy, inputs) if settings.track_activations else None,
        nonfinite_outputs=int((~good).sum()),
        decisions=decisions(primary.units, choice.index, units, names, expected)
        | further_decisions(subject, outputs, taken, expected, continuous),
        methods=reports,
        cost=Cost(forwards=meter.forwards, backwards=meter.backwards, seconds=round(time.perf_counter() - began, 4)),
    )
    return explanation, _arrays(primary, units, maps, probed)


def tensors(states: States, policy: nn.Module) -> Branches:
    """The states as tensors of the type of the policy's own weights."""
    dtype = dtype_of(policy)
    return tuple(torch.as_tensor(np.ascontiguousarray(array)).to(dtype) for array in states.branches.values())


def dtype_of(policy: nn.Module) -> torch.dtype:
    """The type of the policy's own weights."""
    weight = next((p for p in policy.parameters() if p.is_floating_point()), None)
    return weight.dtype if weight is not None else torch.float32


def target_of(settings: AnalysisSettings, outputs: list[str]) -> str:
    """The output to explain: where the default is none of the model's, its first that is no value.

    Raises AttributionError.
    """
    if settings.target in outputs:
        return settings.target
    if settings.target == AnalysisSettings.model_fields["target"].default:
        actions = [name for name in outputs if name.rpartition(".")[2] != "value"]
        if actions:
            return actions[0]
        raise AttributionError(
            f"the model's only output is {', '.join(outputs)}, which decides nothing; say in [model.outputs] where its "
            'actions are, or set [analysis] target = "value" to have the value explained'
        )
    raise AttributionError(
        f"target {settings.target!r} is not an output of the model, which has {', '.join(outputs)}; "
        "set [analysis] target, or [model.outputs]"
    )


def answers(policy: nn.Module, inputs: Branches, meter: Meter) -> dict[str, Tensor]:
    """All outputs at all states. Raises AttributionError where the model fails, or answers at random."""
    count = len(inputs[0])
    first, *others = batches(count, meter.batch)
    try:
        with torch.no_grad():
            parts: list[dict[str, Tensor]] = [policy(*rows_of(inputs, rows)) for rows in (first, *others)]
            again: dict[str, Tensor] = policy(*rows_of(inputs, first))
    except (RuntimeError, ValueError, LookupError, TypeError, AssertionError) as error:
        line = next(iter(str(error).splitlines()), "no message")
        raise AttributionError(
            f"the model cannot answer {count} states: {type(error).__name__}: {line}; it must take any number "
            "of states at once"
        ) from error
    meter.forwards += count + first.stop
    for name, output in again.items():
        if output.ndim == 0 or len(output) != first.stop:
            raise AttributionError(
                f"output {name!r} has shape {tuple(output.shape)} for {first.stop} states; its first "
                "axis must be the states: say in [model.outputs] which outputs there are, without it"
            )
        if not torch.allclose(output, parts[0][name], rtol=1e-4, atol=1e-6, equal_nan=True):
            raise AttributionError(
                f"the model answers the same states differently in {'training' if policy.training else 'eval'} mode "
                f"(output {name!r}): a random layer is active, or it keeps state from one call to the next; "
                + ("call eval() on it" if policy.training else "make dropout and noise depend on self.training")
            )
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def dumped_actions(states: States, good: Tensor) -> Tensor | None:
    """The actions in the dump at some of its states, a mask (N,): (M,) or (M, heads); None where it has none."""
    return None if states.action is None else torch.as_tensor(np.asarray(states.action, dtype=np.float64))[good]


def _subject(
    explained: Explained,
    inputs: Branches,
    choice: Tensor,
    outputs: Mapping[str, Tensor],
    units: Units,
    settings: AnalysisSettings,
) -> Subject:
    compared = baselines(settings.baseline_type, inputs)
    subject = Subject(explained, inputs, choice, compared, units, spread(inputs), settings)
    subject.once(VALUES_HERE, lambda: component(outputs[explained.target], choice))
    return subject


def _quality(subject: Subject, primary: Attributions, blind: str | None) -> QualityMetrics:
    return QualityMetrics(
        sparsity=sparsity(primary.units),
        concentration=concentration(primary.units),
        infidelity=infidelity(subject, primary.units),
        sensitivity=Sensitivity(reason=blind) if blind else sensitivity(subject),
        completeness=Estimate(reason=f"{subject.settings.primary_method} does not claim it")
        if primary.delta is None
        else completeness(primary.delta, primary.units),
    )


def _trust(
    subject: Subject, primary: Attributions, outputs: Tensor, previous: Previous | None, blind: str | None
) -> Trust:
    deletion, insertion = deletion_and_insertion(subject, primary.units)
    if blind:
        return Trust(
            deletion=deletion,
            insertion=insertion,
            parameter_randomisation=RandomisationTest(reason=blind),
            random_logit=SimilarityTest(reason=blind),
        )
    known = hashlib.sha256(architecture(subject.explained.policy).encode()).hexdigest()[:16]
    earlier = previous.randomisation if previous else None
    if earlier is None or earlier.architecture != known:
        earlier = parameter_randomisation(subject).model_copy(update={"architecture": known})
    elif previous is not None and earlier.measured_at is None:
        earlier = earlier.model_copy(update={"measured_at": previous.id})
    return Trust(
        deletion=deletion,
        insertion=insertion,
        parameter_randomisation=earlier,
        random_logit=random_logit(subject, outputs),
    )


def _flow(
    explained: Explained, inputs: Branches, choice: Choice, settings: AnalysisSettings, limits: GradientLimits
) -> GradientFlow:
    if not settings.track_gradients:
        return GradientFlow(of="", reason="track_gradients is off")
    return gradient_flow(explained, inputs, choice, limits)


def _dead(
    subject: Subject,
    outputs: Mapping[str, Tensor],
    share: Tensor,
    context: Context,
    unseen: Collection[str],
    blurred: Collection[tuple[str, str]],
) -> DeadFeatures:
    units, settings = subject.units, subject.settings
    candidates = (share < _LITTLE / len(units)).nonzero().flatten().tolist()
    moving = {place for place, name in enumerate(units.names()) if name in blurred}
    explained = subject.explained
    now = dead_at_once(explained.policy, subject.inputs, outputs, candidates, explained.meter, moving)
    earlier = context.shares if context.shares is not None else np.zeros((0, len(units)))
    history = torch.cat([torch.as_tensor(earlier, dtype=torch.float64), share[None]])[-settings.dead_min_history :]
    if len(history) >= settings.dead_min_history:
        was = context.previous.low_importance if context.previous else frozenset()
        low = low_importance(history, {place for place, name in enumerate(units.names()) if name in was})
        hidden = {place for place, (branch, _) in enumerate(units.names()) if branch in unseen}
        return dead_features({**now.of_little_effect(low - hidden), **now.causes}, units)
    return dead_features(now.causes, units) if now.reason is None else DeadFeatures(reason=now.reason)


def _on_probe(
    subject: Subject, outputs: dict[str, Tensor], probe: States | None, blind: str | None, *, continuous: bool
) -> tuple[Branches, Tensor]:
    """The run's fixed probe states, and attributions there on a frozen grid: (states, units); NaN without gradients.

    `outputs` are those at the subject's states: where these are the probe, nothing is asked twice.
    """
    if probe is not None:
        explained = subject.explained
        inputs = tensors(probe, explained.policy)
        the_same = all(torch.equal(x, y) for x, y in zip(inputs, subject.inputs, strict=True))
        answered = outputs if the_same else answers(explained.policy, inputs, explained.meter)
        everything = torch.ones(len(inputs[0]), dtype=torch.bool)
        choice = choose(answered, explained.target, dumped_actions(probe, everything), continuous=continuous).index
        if not (the_same and torch.equal(choice, subject.choice)):
            subject = _subject(explained, inputs, choice, answered, subject.units, subject.settings)
    if blind:
        return subject.inputs, torch.full((subject.count, len(subject.units)), torch.nan)
    return subject.inputs, sum_over_time(at_states(subject, max(_PROBE_PASSES, passes_of(subject))))


def _earlier_maps(previous: Previous | None, probed: Tensor) -> Mapping[str, NDArray[np.floating]] | None:
    """The previous attention maps; none where they are of other states, as where some were left out."""
    if previous is None:
        return None
    return previous.attention if len(previous.probe) == len(probed) else {}


def _arrays(primary: Attributions, units: Units, maps: Maps, probed: Tensor) -> Arrays:
    arrays: Arrays = {**maps.arrays(), "probe": probed.float().numpy()}
    for branch, heat in zip(units.features, primary.time or (), strict=primary.time is not None):
        arrays[f"heat/{branch}"] = heat.float().numpy()
    return arrays


def _tensor(array: NDArray[np.floating] | None) -> Tensor | None:
    return None if array is None else torch.as_tensor(array)
