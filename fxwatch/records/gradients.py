"""How gradients run through the layers of a policy."""

from collections.abc import Iterable

from pydantic import Field

from fxwatch.records.base import Record, Verdict


class LayerGradient(Record):
    """Of the parameters that one module owns: L2 norm and mean magnitude of the gradient, and norm over weight norm."""

    norm: float
    mean: float
    weight_ratio: float | None = None


class Drop(Record):
    """A sharp fall of the gradient norm from one layer to the next one towards the input."""

    from_: str = Field(alias="from")
    to: str
    ratio: float


class OptimizerLayer(Record):
    """What Adam's moments in the checkpoint tell of training's own gradient of a layer, which it sees after clipping.

    `gradient_rms`: its usual norm; `signal_to_noise`: of its mean against its scatter; `update_ratio`: the next update
    over the weights, both by their length.
    """

    gradient_rms: float | None = None
    signal_to_noise: float | None = None
    update_ratio: float | None = None


class GradientFlow(Record):
    """Gradients of `of` by layer, in the order in which the layers run.

    `decades_per_layer` is the slope of log10 of the norm from layer to layer towards the input: slightly negative is
    healthy, the guide's gradual decrease.
    """

    of: str
    layer_gradients: dict[str, LayerGradient] = {}
    vanishing_gradients: list[str] = []
    exploding_gradients: list[str] = []
    unused: list[str] = []
    zero: list[str] = []
    nonfinite: list[str] = []
    drops: list[Drop] = []
    decades_per_layer: float | None = None
    optimizer: dict[str, OptimizerLayer] = {}
    verdict: Verdict = "unknown"
    reason: str | None = None


def common_start(layers: Iterable[str]) -> str:
    """The dotted beginning that all names share, which need not be shown."""
    parts = [layer.split(".") for layer in layers]
    shared = 0
    while parts and all(len(part) > shared + 1 and part[shared] == parts[0][shared] for part in parts):
        shared += 1
    return "".join(f"{part}." for part in parts[0][:shared]) if parts else ""
