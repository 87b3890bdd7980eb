"""Integrated gradients of a subject: with a fixed number of steps Captum's own, else as many as each pair needs."""

from dataclasses import dataclass

import torch
from captum.attr import IntegratedGradients

from fxwatch.attribution import grid
from fxwatch.attribution.adaptive import FEWEST, AdaptiveIntegratedGradients
from fxwatch.attribution.engine import batches
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject

TOLERANCE = 0.03
"""Of a pair of state and baseline where eight baselines share it, whose errors cancel; of fewer, less in proportion."""

ALONE = 6e-7
"""Where there is but one baseline: on a smooth path errors fall below what single precision rounds away."""

_SHARED_BY = 8


@dataclass(frozen=True, slots=True)
class Found:
    """Attributions of all N states, averaged over all K baselines, in the inputs' shapes.

    `steps`: mean number of steps; `successive`: the mean relative change at the last doubling, where steps were chosen.
    """

    attributions: Branches
    steps: float
    successive: float | None = None


def integrated_gradients(subject: Subject) -> Found:
    """Integrated gradients by the subject's settings, computed once for all that ask."""
    return subject.once("integrated gradients", lambda: _by_settings(subject))


def _by_settings(subject: Subject) -> Found:
    steps = subject.settings.n_steps
    if steps != "auto":
        return Found(_fixed(subject, steps), steps)
    references = subject.baselines.count
    alone = references == 1
    found = AdaptiveIntegratedGradients(subject.evaluate).attribute(
        subject.inputs,
        subject.baselines.samples,
        subject.choice,
        ALONE if alone else TOLERANCE * min(1.0, references / _SHARED_BY),
        fewest=grid.LEAST_ALONE if alone else FEWEST,
        at_inputs=subject.at_states,
        at_baselines=subject.at_baselines,
        rules=grid.known_by_integrated_gradients() if alone else (),
    )
    if alone:
        grid.are_known(subject, found.by_rules)
    return Found(found.attributions, float(found.steps.mean()), float(found.successive.mean()))


def _fixed(subject: Subject, steps: int) -> Branches:
    references = subject.baselines.count
    state = torch.arange(subject.count).repeat_interleave(references)
    reference = torch.arange(references).repeat(subject.count)
    parts = []
    for rows in batches(len(state), max(1, subject.batch // steps)):
        found = IntegratedGradients(subject.explained).attribute(
            tuple(x[state[rows]] for x in subject.inputs),
            baselines=tuple(b[reference[rows]] for b in subject.baselines.samples),
            additional_forward_args=(subject.choice[state[rows]],),
            n_steps=steps,
        )
        parts.append(tuple(part.detach() for part in found))
    together = (torch.cat(branch) for branch in zip(*parts, strict=True))
    return tuple(part.view(subject.count, references, *part.shape[1:]).mean(1) for part in together)
