"""Which branches no gradient reaches, although the output depends on them: integers for an embedding, or detach().

For these, methods by gradients can only say nought, and be wrong. Where none can be taken at all, what is measured by
gradients alone has a reason in place of its number.
"""

import torch
from torch import Tensor

from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject, rows_of

STATES = 8
UNSEEN = (
    "cannot see it: no gradient reaches it, although the output depends on it (integers for an embedding, or detach())"
    '; the other shares leave it out; set [analysis] primary_method = "feature_ablation"'
)
"""What is said of such a branch where a method by gradients ranks."""


def out_of_reach(subject: Subject) -> list[str]:
    """The branches that no gradient reaches while the output moves when they are swapped between states.

    A single state is compared with the centre of the baselines instead.
    """
    try:
        missed = [place for place, reached in enumerate(subject.at_states.reached) if not reached]
    except Exception:  # noqa: BLE001 - a model whose backward fails: each method says so, and so does `no_gradient`
        return []
    if not missed:
        return []
    rows = torch.tensor(evenly(subject.count, STATES))
    here, choice = rows_of(subject.inputs, rows), subject.choice[rows]
    before = subject.values_here[rows]
    names = list(subject.units.features)
    return [names[place] for place in missed if _moves(subject, here, choice, place, before)]


def no_gradient(subject: Subject) -> str | None:
    """Why gradients by the inputs cannot be taken at all; None where they can."""
    try:
        reached = subject.at_states.reached
    except Exception as error:  # noqa: BLE001 - whatever a stranger's model raises is the reason that is published
        lines = str(error).strip().splitlines()
        return f"gradients cannot be taken: {type(error).__name__}: {lines[0] if lines else 'no message'}"
    if not any(reached):
        return "no gradient reaches the inputs: as under no_grad, through detach() or argmax, or for integers"
    return None


def _moves(subject: Subject, here: Branches, choice: Tensor, place: int, before: Tensor) -> bool:
    part = here[place]
    other = part.roll(1, 0) if len(part) > 1 else subject.baselines.centre[place]
    after = subject.values((*here[:place], other, *here[place + 1 :]), choice)
    return not torch.allclose(before, after, rtol=1e-4, atol=1e-6)
