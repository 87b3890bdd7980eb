"""Which layers carry the decision: the share of the change of the output that flows through each."""

from collections.abc import Mapping

from torch import Tensor

from fxwatch.attribution.conductance import Conductance, conductance
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.taps import tappable
from fxwatch.records.base import finite
from fxwatch.records.internals import LayerAttribution, LayerShare


def layer_attribution(subject: Subject, words: str) -> LayerAttribution:
    """Conductance of every layer that is called, in the order in which they run; `words` name the explained scalar.

    With C the conductance of all that a layer gives for a state, and Δf the change of the output from the centre of the
    baselines to that state: share = Σ|C| / Σ|Δf| and signed = Σ C·sign(Δf) / Σ|Δf|, over the states. Where everything
    flows through a layer both are 1. Layers side by side have `signed` that add up, to 1 if together they cut the model
    in two; their shares may add up to more, as flows of opposite sign cancel. None depends on the scale of the output.
    """
    modules = tappable(subject.explained.policy)
    if not modules:
        return LayerAttribution(reason="the model has no layer with parameters but itself")
    found = conductance(subject, modules)
    if found.no_scale:
        return LayerAttribution(reason=found.no_scale)
    layers = {call: _share(found, flow) for call, flow in found.channels.items() if bool(flow.isfinite().all())}
    states = "a single state" if len(found.rows) == 1 else f"{len(found.rows)} states"
    return LayerAttribution(
        layers=layers,
        of=f"{words}: its change from the centre of the baselines ({subject.baselines.words}), over {states}",
        completeness_error=finite(float(found.missed.abs().sum()) / found.scale),
        steps=found.steps,
        reason=_missing(list(found.channels), layers),
    )


def _share(found: Conductance, channels: Tensor) -> LayerShare:
    flow = channels.sum(1)
    return LayerShare(
        share=float(flow.abs().sum()) / found.scale, signed=float((flow * found.change.sign()).sum()) / found.scale
    )


def _missing(calls: list[str], measured: Mapping[str, LayerShare]) -> str | None:
    if not calls:
        return "no layer gives a tensor with an axis of states"
    left_out = [call for call in calls if call not in measured]
    return f"NaN or Inf on the way from the baselines in {', '.join(left_out)}" if left_out else None
