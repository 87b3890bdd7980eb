"""Expected gradients on a frozen grid: every baseline at fixed positions of its path, the same for every checkpoint.

Coarser than integrated gradients and many times cheaper; free of sampling noise, so that a difference between two
results is one between two models or two inputs. Erion et al. 2021 (arXiv 1906.10670), with quadrature for draws.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from fxwatch.attribution.adaptive import nodes as path_nodes
from fxwatch.attribution.engine import Scalar, batches, evaluate
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject

FEWEST_NODES = 4

LEAST_ALONE = 17
"""The least steps of integrated gradients from a single baseline. The grid takes some of these nodes, to be free."""

NEXT_TO_GAUSS = 3, 6, 10, 13
WITH_THE_BASELINE = 5, 10, 16
"""The last one is the baseline, where all paths have the same gradient."""


def passes_of(subject: Subject, nodes: int = FEWEST_NODES) -> int:
    """How many passes over the baselines make at least so many nodes."""
    return -(-nodes // subject.baselines.count)


def at_states(subject: Subject, passes: int) -> Branches:
    """Those of the subject's own states, computed once for all that ask: signed, in the inputs' shapes."""
    return subject.once(_name(passes), lambda: expected_gradients(subject, subject.inputs, subject.choice, passes))


def on_three_nodes(subject: Subject) -> Branches:
    """Those of the subject's own states by `by_three_nodes`, computed once for all that ask."""
    return subject.once(_THREE, lambda: by_three_nodes(subject, subject.inputs, subject.choice))


def known_by_integrated_gradients() -> list[Tensor]:
    """Weights of the nodes of integrated gradients from a single baseline, by which the grid needs attributions."""
    return [weights_on(NEXT_TO_GAUSS), weights_on(WITH_THE_BASELINE)]


def are_known(subject: Subject, found: Sequence[Branches]) -> None:
    """Say what those of the subject's own states are by these weights, where nobody has asked yet."""
    on_four, on_three = found
    subject.once(_name(len(NEXT_TO_GAUSS)), lambda: on_four)
    subject.once(_THREE, lambda: on_three)


_THREE = "on three nodes"


def _name(passes: int) -> tuple[str, int]:
    return "on the grid", passes


def expected_gradients(subject: Subject, inputs: Branches, choice: Tensor, passes: int) -> Branches:
    """Signed attributions of M samples, in the inputs' shapes, of the explained scalar.

    The path is cut into `passes` equal stretches, in each of which baseline k of K stands at position (k + ½)/K. With a
    single baseline the positions are Gauss's, as many as passes: one path is smooth where many side by side are not.
    Four of them are moved to the nearest nodes of integrated gradients, which know what is there.
    """
    return of_scalars(subject, inputs, [Scalar(subject.explained.target, choice)], passes)[0]


def of_scalars(subject: Subject, inputs: Branches, scalars: Sequence[Scalar], passes: int) -> list[Branches]:
    """The same for several scalars of the same M samples, all from the same forward passes."""
    return _by_rule(subject, inputs, scalars, *rule(subject.baselines.count, passes))


def by_three_nodes(subject: Subject, inputs: Branches, choice: Tensor) -> Branches:
    """From a single baseline, of M samples of the explained scalar: two nodes are asked, and the baseline is known.

    `choice` holds components that explain some state.
    """
    positions, _ = path_nodes(LEAST_ALONE)
    weights = weights_on(WITH_THE_BASELINE)
    *asked, last = WITH_THE_BASELINE
    scalar = Scalar(subject.explained.target, choice)
    found = _by_rule(subject, inputs, [scalar], positions[asked], weights[asked])[0]
    kind = torch.searchsorted(subject.choice.unique(), choice)
    for total, x, b, gradient in zip(
        found, inputs, subject.baselines.samples, subject.at_baselines.gradients, strict=True
    ):
        total.addcmul_(x - b, gradient[kind], value=float(weights[last]))
    return found


def _by_rule(
    subject: Subject, inputs: Branches, scalars: Sequence[Scalar], positions: Tensor, weights: Tensor
) -> list[Branches]:
    samples, nodes = len(scalars[0].choice), len(positions)
    totals = [tuple(torch.zeros_like(x) for x in inputs) for _ in scalars]
    for rows in batches(samples * nodes, subject.batch):
        asked = torch.arange(rows.start, rows.stop)
        state, node = asked // nodes, asked % nodes
        points, steps = on_paths(subject, inputs, state, node % subject.baselines.count, positions[node])
        weight = weights[node]
        here = [Scalar(one.output, one.choice[state]) for one in scalars]
        for total, found in zip(
            totals, evaluate(subject.explained.policy, points, here, subject.explained.meter), strict=True
        ):
            for into, step, gradient in zip(total, steps, found.gradients, strict=True):
                into.index_add_(0, state, (step * gradient).mul_(_along(weight, step)))
    return totals


def rule(references: int, passes: int) -> tuple[Tensor, Tensor]:
    """Positions and weights of all nodes, in double: (references · passes,) each."""
    if references > 1:
        nodes = references * passes
        weights = torch.full((nodes,), 1 / nodes, dtype=torch.float64)
        return (torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes, weights
    if passes == len(NEXT_TO_GAUSS):
        places = list(NEXT_TO_GAUSS)
        return path_nodes(LEAST_ALONE)[0][places], weights_on(NEXT_TO_GAUSS)[places]
    roots, halves = np.polynomial.legendre.leggauss(passes)
    return torch.from_numpy((roots + 1) / 2), torch.from_numpy(halves / 2)


@cache
def weights_on(places: tuple[int, ...]) -> Tensor:
    """Weights of some nodes of integrated gradients from a single baseline, nought elsewhere: (LEAST_ALONE,).

    They integrate every polynomial of a lower degree than there are nodes.
    """
    nodes, _ = path_nodes(LEAST_ALONE)
    chosen = list(places)
    degrees = torch.arange(len(places), dtype=torch.float64)
    weights = torch.zeros_like(nodes)
    weights[chosen] = torch.linalg.solve(nodes[chosen] ** degrees[:, None], 1 / (degrees + 1))
    return weights


def on_paths(
    subject: Subject, inputs: Branches, state: Tensor, reference: Tensor, position: Tensor
) -> tuple[Branches, Branches]:
    """The points of the paths to rows `state` of some inputs, and the whole way from their baselines."""
    points, steps = [], []
    for x, b in zip(inputs, subject.baselines.samples, strict=True):
        start = b[reference]
        step = x[state] - start
        points.append(torch.addcmul(start, _along(position, step), step))
        steps.append(step)
    return tuple(points), tuple(steps)


def _along(numbers: Tensor, like: Tensor) -> Tensor:
    """One number a sample, to be multiplied with a branch: (M,) -> (M, 1, ...)."""
    return numbers.view(-1, *[1] * (like.ndim - 1)).to(like.dtype)
