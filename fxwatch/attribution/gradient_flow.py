"""Gradients by layer: how strong they are, where they vanish, explode or stop, and where they fall off sharply.

A layer is a module that owns parameters itself; a parameter shared by two layers counts for the first.
"""

import math
import statistics
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from fxwatch.attribution.engine import batches
from fxwatch.attribution.policy import AttributionError, Branches, Choice, Explained, component, named_layers
from fxwatch.attribution.subject import rows_of
from fxwatch.records.base import finite
from fxwatch.records.gradients import Drop, GradientFlow, LayerGradient
from fxwatch.records.thresholds import GradientLimits


def gradient_flow(explained: Explained, inputs: Branches, choice: Choice, limits: GradientLimits) -> GradientFlow:
    """Parameter gradients of the mean over states of the chosen component plus the value, where there is one."""
    layers = layers_of(explained.policy)
    scalar = _words(explained, choice)
    if not layers:
        return GradientFlow(of=scalar, reason="the model has no parameters")
    parameters = [parameter for owned in layers.values() for parameter in owned]
    frozen = [parameter.requires_grad for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_()
    try:
        order, successors, reached = _order(explained.policy, inputs, layers)
        gradients = _gradients(explained, inputs, choice.index, parameters)
    except AttributionError as error:
        return GradientFlow(of=scalar, reason=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a stranger's model raises is the reason that is published
        lines = str(error).strip().splitlines()
        why = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
        return GradientFlow(of=scalar, reason=f"gradients cannot be taken: {why}")
    finally:
        for parameter, flag in zip(parameters, frozen, strict=True):
            parameter.requires_grad_(flag)
    ordered = {name: layers[name] for name in _with_silent(order, list(layers))}
    return _measure(scalar, ordered, gradients, reached, successors, limits)


def layers_of(policy: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Each module that owns floating parameters, and those of them that no earlier one owns."""
    seen: set[int] = set()
    layers: dict[str, list[nn.Parameter]] = {}
    for name, module in named_layers(policy):
        owned = [p for p in module.parameters(recurse=False) if p.is_floating_point() and id(p) not in seen]
        seen.update(id(parameter) for parameter in owned)
        if owned:
            layers[name] = owned
    return layers


def _words(explained: Explained, choice: Choice) -> str:
    words = f"{explained.target}: {choice.words}"
    return f"mean over states of {words}" + (", plus value" if explained.target != "value" else "")


Gradients = dict[int, Tensor | None]
"""The gradient of each parameter, by its id; None where the scalar does not depend on it."""


def _gradients(explained: Explained, inputs: Branches, choice: Tensor, parameters: list[nn.Parameter]) -> Gradients:
    total: Gradients = {id(parameter): None for parameter in parameters}
    count = len(choice)
    for rows in batches(count, explained.meter.batch):
        with torch.enable_grad():
            outputs = explained.policy(*rows_of(inputs, rows))
            if not outputs[explained.target].requires_grad:
                raise AttributionError(
                    "no gradient reaches the parameters: as under no_grad, through detach() or argmax"
                )
            scalar = component(outputs[explained.target], choice[rows]).sum()
            if "value" in outputs and explained.target != "value":
                scalar = scalar + outputs["value"].sum()
        explained.meter.forwards += len(choice[rows])
        explained.meter.backwards += len(choice[rows])
        found: tuple[Tensor | None, ...] = torch.autograd.grad(scalar / count, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, found, strict=True):
            if gradient is not None:
                before = total[id(parameter)]
                total[id(parameter)] = gradient if before is None else before + gradient
    return total


def _reached_by_any(outputs: Iterable[Tensor], layers: Mapping[str, list[nn.Parameter]]) -> set[int]:
    """Ids of the parameters that some output depends on, the ones that are not explained among them."""
    sums = [output.sum() for output in outputs if output.requires_grad]
    if not sums:
        return set()
    parameters = [parameter for owned in layers.values() for parameter in owned]
    found: tuple[Tensor | None, ...] = torch.autograd.grad(sums, parameters, allow_unused=True)
    return {id(p) for p, gradient in zip(parameters, found, strict=True) if gradient is not None}


def _measure(
    scalar: str,
    layers: Mapping[str, list[nn.Parameter]],
    gradients: Gradients,
    reached: set[int],
    successors: set[tuple[str, str]],
    limits: GradientLimits,
) -> GradientFlow:
    measured: dict[str, LayerGradient] = {}
    unused, zero, nonfinite, vanishing, exploding = [], [], [], [], []
    for name, owned in layers.items():
        found = [g for g in (gradients[id(p)] for p in owned) if g is not None]
        if not found:
            if not any(id(parameter) in reached for parameter in owned):
                unused.append(name)
            continue
        flat = torch.cat([gradient.flatten() for gradient in found]).double()
        norm = finite(float(flat.norm()))
        if norm is None:
            nonfinite.append(name)
            continue
        weight = float(torch.cat([p.detach().flatten() for p in owned]).double().norm())
        measured[name] = LayerGradient(
            norm=norm, mean=float(flat.abs().mean()), weight_ratio=finite(norm / weight) if weight else None
        )
        if norm == 0:
            zero.append(name)
        elif norm < limits.vanishing:
            vanishing.append(name)
        elif norm > limits.exploding:
            exploding.append(name)
    return GradientFlow(
        of=scalar,
        layer_gradients=measured,
        decades_per_layer=_slope(measured, successors),
        vanishing_gradients=vanishing,
        exploding_gradients=exploding,
        unused=unused,
        zero=zero,
        nonfinite=nonfinite,
        drops=_drops(
            {name: measured[name] for name in measured if name not in {*vanishing, *zero}}, successors, limits.drop
        ),
    )


def _drops(measured: Mapping[str, LayerGradient], successors: set[tuple[str, str]], limit: float) -> list[Drop]:
    """Falls of the norm by more than the limit, from a layer to one that feeds it."""
    found = []
    for before, after in successors:
        near, far = measured.get(after), measured.get(before)
        if near is not None and far is not None and far.norm / near.norm < limit:
            found.append(Drop(from_=after, to=before, ratio=far.norm / near.norm))
    return sorted(found, key=lambda drop: (drop.ratio, drop.from_, drop.to))


def _slope(measured: Mapping[str, LayerGradient], successors: set[tuple[str, str]]) -> float | None:
    """Least-squares slope of log10 of the norm over the number of layers between a layer and the outputs."""
    feeds: dict[str, set[str]] = {}
    for before, after in successors:
        feeds.setdefault(after, set()).add(before)
    inner = {before for before, _ in successors}
    depth = dict.fromkeys({after for _, after in successors} - inner, 0)
    ahead = list(depth)
    for layer in ahead:
        for before in feeds.get(layer, ()):
            if before not in depth:
                depth[before] = depth[layer] + 1
                ahead.append(before)
    points = [(depth[name], math.log10(one.norm)) for name, one in measured.items() if name in depth and one.norm > 0]
    if len({far for far, _ in points}) < 2:
        return None
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _with_silent(order: list[str], names: list[str]) -> list[str]:
    """The order in which layers ran; those that no hook sees (a projection inside attention) follow their parent."""
    placed = list(order)
    for name in names:
        if name not in placed:
            parent = name.rpartition(".")[0]
            placed.insert(placed.index(parent) + 1 if parent in placed else len(placed), name)
    return placed


def _order(
    policy: nn.Module, inputs: Branches, layers: Mapping[str, list[nn.Parameter]]
) -> tuple[list[str], set[tuple[str, str]], set[int]]:
    """The layers in the order in which they run, which feeds which, read off the graph that autograd records, and the
    ids of the parameters that any output depends on.

    The pairs (before, after) pass over layers without a weight matrix: a bias or a normalisation has a gradient of
    another size by nature.
    """
    outputs: dict[object, str] = {}
    order: list[str] = []
    handles = []
    for name, module in named_layers(policy):
        if name in layers:
            handles.append(module.register_forward_hook(_Recorder(name, order, outputs)))
    try:
        with torch.enable_grad():
            given = policy(*(x.detach().requires_grad_() for x in rows_of(inputs, slice(0, 1))))
    finally:
        for handle in handles:
            handle.remove()
    heavy = {name for name, owned in layers.items() if any(parameter.ndim > 1 for parameter in owned)}
    marks = {node: name for node, name in outputs.items() if name in heavy}
    pairs = {(before, name) for node, name in marks.items() for before in _feeding(node, marks) if before != name}
    return list(dict.fromkeys(order)), pairs, _reached_by_any(given.values(), layers)


class _Recorder:
    """A forward hook that notes that a layer ran, and the autograd node of what it gave."""

    def __init__(self, name: str, order: list[str], outputs: dict[object, str]) -> None:
        self.name, self.order, self.outputs = name, order, outputs

    def __call__(self, _module: nn.Module, _inputs: object, output: object) -> None:
        self.order.append(self.name)
        first = output[0] if isinstance(output, tuple | list) and output else output
        if isinstance(first, Tensor) and first.grad_fn is not None:
            self.outputs[first.grad_fn] = self.name


def _feeding(node: object, marks: Mapping[object, str]) -> set[str]:
    """The marked layers met first on the way back from a node."""
    found: set[str] = set()
    seen: set[object] = set()
    ahead = [parent for parent, _ in getattr(node, "next_functions", ())]
    while ahead:
        here = ahead.pop()
        if here is None or here in seen:
            continue
        seen.add(here)
        if here in marks:
            found.add(marks[here])
        else:
            ahead += [parent for parent, _ in getattr(here, "next_functions", ())]
    return found
