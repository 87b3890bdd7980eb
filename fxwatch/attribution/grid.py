"""Expected gradients on a frozen grid: every baseline at fixed positions of its path, the same for every checkpoint.

Coarser than integrated gradients and many times cheaper; free of sampling noise, so that a difference between two
results is one between two models or two inputs. Erion et al. 2021 (arXiv 1906.10670), with quadrature for draws.
"""

import torch

from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject


def expected_gradients(subject: Subject, inputs: Branches, choice: torch.Tensor, passes: int) -> Branches:
    """Signed attributions of M samples, in the inputs' shapes.

    The path is cut into `passes` equal stretches, in each of which baseline k of K stands at position (k + ½)/K.
    """
    references, samples = subject.baselines.count, len(choice)
    state = torch.arange(samples).repeat(references)
    reference = torch.arange(references).repeat_interleave(samples)
    steps = tuple(x[state] - b[reference] for x, b in zip(inputs, subject.baselines.samples, strict=True))
    total = tuple(torch.zeros_like(x) for x in inputs)
    for turn in range(passes):
        position = (turn + (reference + 0.5) / references) / passes
        points = tuple(
            b[reference] + position.view(-1, *[1] * (step.ndim - 1)).to(step.dtype) * step
            for b, step in zip(subject.baselines.samples, steps, strict=True)
        )
        gradients = subject.gradients(points, choice[state])
        for into, step, gradient in zip(total, steps, gradients, strict=True):
            into.add_((step * gradient).view(references, samples, *step.shape[1:]).mean(0) / passes)
    return total
