"""What is found inside a model: its attention, its layers, its neurons."""

from pydantic import Field

from fxwatch.records.base import Record


class AttentionHead(Record):
    """By state and query, averaged: entropy over its maximum (0 focused, 1 even), and 1 - Jensen-Shannon divergence to
    the previous analysis.

    `effect`: mean |change| of the explained scalar when the head is silenced, in deviations of that scalar over states.
    """

    entropy: float | None = None
    stability: float | None = None
    effect: float | None = None


class Attention(Record):
    """Attention on the probe states: means over heads, and each head by layer."""

    stability: float | None = None
    entropy: float | None = None
    layers: dict[str, list[AttentionHead]] = {}
    reason: str | None = None
    effect_reason: str | None = Field(
        default=None, description="why heads, or some of them, have no effect, where track_layers is set"
    )


class LayerShare(Record):
    """How much of the change of the explained scalar flows through what a layer gives, as `LayerAttribution` tells it.

    `share` of its size, `signed` of its sign: both are 1 where everything flows through the layer.
    """

    share: float
    signed: float


class LayerAttribution(Record):
    """Conductance of layers, and of blocks of layers, in the order in which they run; a later call is `name#2`.

    `completeness_error`: what the inputs' conductance by the same steps misses of the change, relative to it.
    """

    layers: dict[str, LayerShare] = {}
    of: str = ""
    completeness_error: float | None = None
    steps: int | None = None
    reason: str | None = None


class Neuron(Record):
    """A channel of what a layer gives, its share of the decision as `LayerShare` has it, and what it reads.

    `features`: branch, feature and its share of all that the neuron reads, best first.
    """

    index: int
    share: float
    signed: float
    features: list[tuple[str, str, float]] = []


class NeuronAttributions(Record):
    """The leading neurons of one layer, by share."""

    layer: str
    neurons: list[Neuron] = []
    reason: str | None = None
