"""What carries the decision inside the model, where the settings ask for it: layers, attention heads, neurons.

A model that cannot be read in one of these ways says why, and keeps the rest of its explanation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from fxwatch.attribution.heads import HeadEffects, head_effects, with_effects
from fxwatch.attribution.layers import layer_attribution
from fxwatch.attribution.neurons import neuron_attributions
from fxwatch.attribution.subject import Subject
from fxwatch.records.internals import Attention, LayerAttribution, NeuronAttributions

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Inside:
    """What was asked for; None for what was not."""

    layers: LayerAttribution | None = None
    neurons: NeuronAttributions | None = None
    heads: HeadEffects | None = None

    def put_into(self, attention: Attention) -> Attention:
        """The record of attention with the effects of its heads, where they were asked for."""
        return attention if self.heads is None else with_effects(attention, self.heads)


def inside(subject: Subject, words: str, progress: Callable[[str], None]) -> Inside:
    """Layers and heads where `track_layers` is set, neurons where `neuron_layer` is; `words` name the scalar."""
    layers, heads, neurons = None, None, None
    layer = subject.settings.neuron_layer
    if subject.settings.track_layers:
        progress("layers")
        layers = _or_why_not(lambda: layer_attribution(subject, words), lambda why: LayerAttribution(reason=why))
        progress("attention heads")
        heads = _or_why_not(lambda: head_effects(subject), lambda why: HeadEffects({}, why))
    if layer:
        progress("neurons")
        neurons = _or_why_not(
            lambda: neuron_attributions(subject, layer), lambda why: NeuronAttributions(layer=layer, reason=why)
        )
    return Inside(layers, neurons, heads)


def _or_why_not(measure: Callable[[], Found], failed: Callable[[str], Found]) -> Found:
    try:
        return measure()
    except Exception as error:  # noqa: BLE001 - whatever a stranger's model raises is the reason that is published
        lines = str(error).strip().splitlines()
        return failed(f"{type(error).__name__}: {lines[0] if lines else 'no message'}")
