"""Which layers carry the decision: the share of the change of the output that flows through each."""

from fxwatch.attribution.conductance import Conductance, conductance
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.taps import tappable
from fxwatch.records.analysis import LayerAttribution, LayerShare
from fxwatch.records.base import finite


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
    scale = float(found.change.abs().sum())
    if scale == 0:
        return LayerAttribution(reason="the output is the same at every state and at the centre of the baselines")
    return LayerAttribution(
        layers={call: _share(found, call, scale) for call in found.channels},
        of=f"{words}: its change from the centre of {subject.baselines.words}, over {len(found.rows)} states",
        completeness_error=finite(float(found.missed.abs().sum()) / scale),
        steps=found.steps,
        reason=None if found.channels else "no layer gives a tensor with an axis of states",
    )


def _share(found: Conductance, call: str, scale: float) -> LayerShare:
    flow = found.channels[call].sum(1)
    return LayerShare(share=float(flow.abs().sum()) / scale, signed=float((flow * found.change.sign()).sum()) / scale)
