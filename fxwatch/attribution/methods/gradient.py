"""Methods that ask for the gradient at the state itself."""

import torch
from captum.attr import InputXGradient, Saliency

from fxwatch.attribution.methods.attributions import Attributions
from fxwatch.attribution.subject import Subject, batches, rows_of
from fxwatch.attribution.units import sum_over_time


def saliency(subject: Subject) -> Attributions:
    """Gradients in units of each feature's own spread, so that a feature's scale does not decide its rank."""
    method = Saliency(subject.explained)
    parts = []
    for rows in batches(subject.count):
        inputs = tuple(part.detach().requires_grad_() for part in rows_of(subject.inputs, rows))
        found = method.attribute(inputs, abs=False, additional_forward_args=(subject.choice[rows],))
        parts.append(sum_over_time(tuple(part.detach() for part in found)))
    return Attributions(torch.cat(parts) * subject.deviation)


def input_x_gradient(subject: Subject) -> Attributions:
    """Gradients times the input."""
    method = InputXGradient(subject.explained)
    parts = []
    for rows in batches(subject.count):
        inputs = tuple(part.detach().requires_grad_() for part in rows_of(subject.inputs, rows))
        found = method.attribute(inputs, additional_forward_args=(subject.choice[rows],))
        parts.append(sum_over_time(tuple(part.detach() for part in found)))
    return Attributions(torch.cat(parts))
