"""The policy as attribution sees it, and the one scalar of it that is explained.

A policy is an nn.Module in eval mode that takes its branches in order, each (N, time, features) or (N, features), and
returns its outputs by name, each (N, ...).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

BATCH = 64
"""Samples that go through a model together, where nothing better is known of it."""

Branches = tuple[Tensor, ...]
"""One tensor a branch, each (N, time, features) or (N, features)."""


class AttributionError(Exception):
    """A policy that cannot be explained over these states; the message says why and what to do."""


def named_layers(policy: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """All modules under the names that the user gave them: a policy that only calls a model has it as `wrapped`."""
    inner = getattr(policy, "wrapped", policy)
    for name, module in inner.named_modules():
        yield name or "model", module


@dataclass(slots=True)
class Meter:
    """Counts work: samples through the model, and samples differentiated; `batch` of them may go at once."""

    forwards: int = 0
    backwards: int = 0
    batch: int = BATCH


class Explained(nn.Module):
    """The scalar of each state that is attributed: one component of one output, chosen once per state.

    forward(*branches, choice) -> (N,), with `choice` (N,) the index of the component.
    """

    def __init__(self, policy: nn.Module, target: str, meter: Meter) -> None:
        super().__init__()
        self.policy = policy
        self.target = target
        self.meter = meter

    def forward(self, *branches_and_choice: Tensor) -> Tensor:
        """The chosen component: (N,)."""
        *branches, choice = branches_and_choice
        self.meter.forwards += len(choice)
        output = component(self.policy(*branches)[self.target], choice)
        for branch in branches:
            if branch.requires_grad:  # by a branch that the output does not depend on, Captum wants nought and not None
                output = output + 0 * branch.flatten(1)[:, 0].to(output.dtype)
        if output.requires_grad:
            output.register_hook(self._count_backward)
        return output

    def _count_backward(self, gradient: Tensor) -> None:
        self.meter.backwards += len(gradient)


def component(output: Tensor, choice: Tensor) -> Tensor:
    """One component of each row: (N, ...) and (N,) -> (N,)."""
    return output.flatten(1).gather(1, choice[:, None]).squeeze(1) if output.ndim > 1 else output


@dataclass(frozen=True, slots=True)
class Choice:
    """Which component of the target each state is explained by, and what the components are."""

    index: Tensor
    kind: Literal["discrete", "continuous", "scalar"]
    taken: Literal["dump", "model"]

    @property
    def words(self) -> str:
        """In words, for people."""
        if self.kind == "scalar":
            return "its only component"
        if self.kind == "continuous":
            return "the component of largest |value|"
        return "the logit of the action in the dump" if self.taken == "dump" else "the logit of the model's own choice"


def choose(outputs: dict[str, Tensor], target: str, action: Tensor | None, *, continuous: bool = False) -> Choice:
    """The component to explain: of logits that of the dumped action, else the largest; of a continuous action the
    component of largest |value|; of a single number itself.

    Dumped actions as wide as the target that are not whole numbers show that it is a continuous action. Raises
    AttributionError.
    """
    output = outputs[target].detach()
    if output.ndim > 2:
        raise AttributionError(
            f"output {target!r} has shape (N, {', '.join(map(str, output.shape[1:]))}), but one row of numbers a state "
            "is explained; let forward return the last step's, or say in [model.outputs] which output is"
        )
    width = output[0].numel()
    if width == 1:
        return Choice(torch.zeros(len(output), dtype=torch.long), "scalar", "model")
    flat = output.flatten(1)
    columns = 0 if action is None else 1 if action.ndim == 1 else action.shape[1]
    whole = action is None or bool((action == action.round()).all())
    if continuous or (not whole and columns == width):
        return Choice(flat.abs().argmax(1), "continuous", "model")
    if not whole:
        raise AttributionError(
            f"the dump's actions are not whole numbers, nor as many a state as output {target!r} has, which is "
            f"{width}; dump for each state the number of the action that each output chose, or no actions"
        )
    column = _column(action, list(outputs), target) if action is not None else None
    if column is None:
        return Choice(flat.argmax(1), "discrete", "model")
    if int(column.min()) < 0 or int(column.max()) >= width:
        raise AttributionError(
            f"the dump's actions run from {int(column.min())} to {int(column.max())}, but output {target!r} has "
            f"{width} logits; dump the actions that this output chose, or none"
        )
    return Choice(column.long(), "discrete", "dump")


def _column(action: Tensor, outputs: Sequence[str], target: str) -> Tensor | None:
    """The dumped action of one head: the head's column of (N, heads), or all of (N,) where the head comes first."""
    heads = [name for name in outputs if name != "value"]
    if target not in heads:
        return None
    place = heads.index(target)
    table = action[:, None] if action.ndim == 1 else action
    return table[:, place] if place < table.shape[1] else None
