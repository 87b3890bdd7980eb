"""Methods that ask for the gradient at the state itself: Captum's, given the gradients that are known there."""

from captum.attr import InputXGradient, Saliency
from torch import Tensor

from fxwatch.attribution.methods.attributions import Attributions
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import sum_over_time


def saliency(subject: Subject) -> Attributions:
    """Gradients in units of each feature's own spread, so that a feature's scale does not decide its rank."""
    method = Saliency(subject.explained)
    method.gradient_func = _known(subject)
    found: Branches = method.attribute(_inputs(subject), abs=False)
    return Attributions(sum_over_time(found) * subject.deviation)


def input_x_gradient(subject: Subject) -> Attributions:
    """Gradients times the input."""
    method = InputXGradient(subject.explained)
    method.gradient_func = _known(subject)
    found: Branches = method.attribute(_inputs(subject))
    return Attributions(sum_over_time(tuple(part.detach() for part in found)))


def _inputs(subject: Subject) -> Branches:
    return tuple(part.detach().requires_grad_() for part in subject.inputs)


class _known:  # noqa: N801 - what Captum takes is a function
    """What Captum's methods call for gradients, answered with those that are known at the states."""

    def __init__(self, subject: Subject) -> None:
        self.gradients = subject.at_states.gradients

    def __call__(self, *_asked: object, **_how: object) -> tuple[Tensor, ...]:
        return self.gradients
