"""The leading neurons of one layer, and the features that each of them reads.

A neuron is a channel of what the layer gives, added up over positions, as a unit of the input is over time.
"""

import difflib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fxwatch.attribution.adaptive import AdaptiveIntegratedGradients
from fxwatch.attribution.conductance import conductance
from fxwatch.attribution.engine import Evaluated, batches
from fxwatch.attribution.importance import shares
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.taps import Axes, by_channel, tappable, tapped
from fxwatch.attribution.units import sum_over_time
from fxwatch.records.internals import Neuron, NeuronAttributions

FEATURES = 5
_TOLERANCE = 0.03


def neuron_attributions(subject: Subject, layer: str, top: int = 3) -> NeuronAttributions:
    """The `top` neurons of a layer by conductance, and the leading features of each by integrated gradients.

    Neuron integrated gradients as in Captum (Shrikumar et al. 2018, arXiv 1807.09946): of the neuron's own value, from
    the centre of the baselines. `layer` may be a later call, `name#2`.
    """
    modules = tappable(subject.explained.policy)
    name = layer.partition("#")[0]
    if name not in modules:
        near = difflib.get_close_matches(name, modules, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return NeuronAttributions(layer=layer, reason=f"the model has no layer {name!r} with parameters{hint}")
    one = {name: modules[name]}
    found = conductance(subject, one)
    if layer not in found.channels:
        return NeuronAttributions(
            layer=layer, reason="it is not called that often, or gives no tensor with an axis of states"
        )
    flows = found.channels[layer]
    if found.no_scale or not bool(flows.isfinite().all()):
        return NeuronAttributions(layer=layer, reason=found.no_scale or "NaN or Inf on the way from the baselines")
    inputs, choice = rows_of(subject.inputs, found.rows), subject.choice[found.rows]
    neurons = []
    for index in flows.abs().sum(0).argsort(descending=True, stable=True)[:top].tolist():
        read = _features(_Value(subject, layer, modules[name], found.axes, index), inputs, choice)
        neurons.append(
            Neuron(
                index=index,
                share=float(flows[:, index].abs().sum()) / found.scale,
                signed=float((flows[:, index] * found.change.sign()).sum()) / found.scale,
                features=_leading(subject, read),
            )
        )
    return NeuronAttributions(layer=layer, neurons=neurons)


@dataclass(frozen=True, slots=True)
class _Value:
    """The value of one neuron, added up over positions, as a function of the inputs."""

    subject: Subject
    call: str
    module: nn.Module
    axes: Axes
    index: int

    def evaluate(self, inputs: Branches, choice: Tensor) -> Evaluated:
        """The value and its gradient by the inputs at M samples."""
        values, gradients = [], []
        for rows in batches(len(choice), self.subject.batch):
            here = tuple(x[rows].detach().requires_grad_() for x in inputs)
            value = self._of(here, choice[rows])
            self.subject.explained.meter.backwards += len(value)
            found: tuple[Tensor | None, ...] = torch.autograd.grad(value.sum(), here, allow_unused=True)
            values.append(value.detach())
            gradients.append(tuple(torch.zeros_like(x) if g is None else g for x, g in zip(here, found, strict=True)))
        together = tuple(torch.cat(branch) for branch in zip(*gradients, strict=True))
        return Evaluated(torch.cat(values), together, (True,) * len(together))

    def _of(self, inputs: Branches, choice: Tensor) -> Tensor:
        name = self.call.partition("#")[0]
        with tapped({name: self.module}) as kept, torch.enable_grad():
            self.subject.explained(*inputs, choice)
        given = zip(kept[self.call], self.axes[self.call], strict=True)
        channels = [by_channel(tensor, axis, len(choice), self.module).sum(1) for tensor, axis in given]
        return torch.cat(channels, dim=1)[:, self.index]


def _features(value: _Value, inputs: Branches, choice: Tensor) -> Tensor:
    """Integrated gradients of a neuron by unit: (M, units)."""
    method = AdaptiveIntegratedGradients(value.evaluate)
    centre = value.subject.baselines.centre
    return sum_over_time(method.attribute(inputs, centre, torch.zeros_like(choice), _TOLERANCE).attributions)


def _leading(subject: Subject, signed: Tensor) -> list[tuple[str, str, float]]:
    """The features that matter most to a neuron, with their shares of all: signed (M, units)."""
    share = shares(signed.double().abs().mean(0))
    names = subject.units.names()
    order = share.argsort(descending=True, stable=True)[:FEATURES].tolist()
    return [(*names[unit], float(share[unit])) for unit in order if share[unit] > 0]
