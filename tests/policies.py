"""Small policies with known truths, and states for them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from fxwatch.records.states import States

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Formula(nn.Module):
    """A policy that is a formula: forward(*branches) -> {"action_type": (N, 1)}."""

    def __init__(self, formula: Callable[..., Tensor]) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        """The formula's value of each state."""
        return {"action_type": self.formula(*branches)[:, None]}


class Heads(nn.Module):
    """A policy with one output of several components: forward(*branches) -> {name: (N, components)}."""

    def __init__(self, name: str, formula: Callable[..., Tensor]) -> None:
        super().__init__()
        self.name, self.formula = name, formula

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        """The components of each state."""
        return {self.name: self.formula(*branches)}


class Linear(nn.Module):
    """f = Σ_j w_j mean_t x_tj over all branches."""

    def __init__(self, *weights: list[float]) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.tensor(row)) for row in weights])

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        """The value of each state."""
        parts = [branch.mean(1) @ weight for branch, weight in zip(branches, self.weights, strict=True)]
        return {"action_type": torch.stack(parts).sum(0)[:, None]}


class SmallTransformer(nn.Module):
    """Two branches, an encoder layer over their tokens, three actions and a value."""

    def __init__(self, features: tuple[int, int] = (5, 3), seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.hf = nn.Linear(features[0], 16)
        self.portfolio = nn.Linear(features[1], 16)
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.3, activation="gelu", batch_first=True)
        self.head = nn.Linear(16, 3)
        self.value = nn.Linear(16, 1)

    def forward(self, hf: Tensor, portfolio: Tensor) -> dict[str, Tensor]:
        """Logits and value."""
        hidden = self.encoder(torch.cat([self.hf(hf), self.portfolio(portfolio)], dim=1)).mean(1)
        return {"action_type": self.head(hidden), "value": self.value(hidden)}


class GuideLike(nn.Module):
    """The guide's interface: a dictionary of branches in, ((action_type, action_size), value) out."""

    def __init__(self, hf: int = 4, portfolio: int = 3, width: int = 8) -> None:
        super().__init__()
        self.hf = nn.Linear(hf, width)
        self.portfolio = nn.Linear(portfolio, width)
        self.action_type = nn.Linear(2 * width, 3)
        self.action_size = nn.Linear(2 * width, 4)
        self.value = nn.Linear(2 * width, 1)

    def forward(self, branches: dict[str, Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Logits and value."""
        hidden = torch.cat(
            [torch.tanh(self.hf(branches["hf"]).mean(1)), torch.tanh(self.portfolio(branches["portfolio"]).mean(1))], 1
        )
        return (self.action_type(hidden), self.action_size(hidden)), self.value(hidden)


class ByKeyword(GuideLike):
    """The same, taking its branches as keywords."""

    def forward(self, hf: Tensor, portfolio: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:  # type: ignore[override]
        """Logits and value."""
        return super().forward({"hf": hf, "portfolio": portfolio})


class OneTensor(nn.Module):
    """A flat observation in, logits out."""

    def __init__(self, width: int = 7) -> None:
        super().__init__()
        self.layer = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.layer(x)
        return logits


def random_states(shapes: Mapping[str, tuple[int, ...]], count: int = 32, seed: int = 0) -> States:
    """Standard normal states with features named branch_0, branch_1, …"""
    generator = np.random.default_rng(seed)
    branches: dict[str, NDArray[np.float32]] = {
        name: generator.normal(size=(count, *shape)).astype(np.float32) for name, shape in shapes.items()
    }
    return States(branches, {name: [f"{name}_{place}" for place in range(shape[-1])] for name, shape in shapes.items()})


HF_AND_PORTFOLIO = {"hf": (6, 4), "portfolio": (2, 3)}
