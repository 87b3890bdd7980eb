"""Adam's running moments of one parameter's gradient. The tensors are torch's, but nothing here imports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Moments:
    """`mean` and `square`: running means of the gradient and of its square, in the parameter's shape; `steps` taken so
    far; `betas`, learning `rate` and `epsilon` of the optimizer (Kingma and Ba 2014, arXiv 1412.6980).
    """

    mean: Tensor
    square: Tensor
    steps: float
    betas: tuple[float, float]
    rate: float
    epsilon: float
