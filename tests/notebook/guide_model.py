"""A model with the guide's branches and features, and states for it."""

import random

import numpy as np
import torch
from torch import Tensor, nn

FEATURES = {
    "hf": ["price_velocity", "volume_ratio", "spread"],
    "mf": ["ema_cross_signal", "rsi_divergence", "bollinger_position"],
    "lf": ["support_distance", "resistance_strength", "trend_strength"],
    "portfolio": ["position_pnl_percent", "cash_ratio", "position_hold_time"],
}
TIME = {"hf": 6, "mf": 3, "lf": 2, "portfolio": 2}


class GuideModel(nn.Module):
    """The guide's interface, with what a trainer's model has besides: dropout, statistics, and a memory of its own.

    It draws from every generator, whether it trains or not.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.branches = nn.ModuleDict({name: nn.Linear(3, 8) for name in FEATURES})
        self.norm = nn.BatchNorm1d(32)
        self.dropout = nn.Dropout(0.5)
        self.action_type, self.action_size, self.value = nn.Linear(32, 3), nn.Linear(32, 4), nn.Linear(32, 1)
        self.kept: Tensor | None = None

    def forward(self, states: dict[str, Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Logits and value."""
        found = [torch.tanh(layer(states[name])).mean(1) for name, layer in self.branches.items()]
        hidden = self.dropout(self.norm(torch.cat(found, 1)))
        self.kept = hidden
        if random.random() + np.random.rand() + float(torch.rand(1)) < 0:  # noqa: NPY002 - as others' code does
            raise AssertionError
        return (self.action_type(hidden), self.action_size(hidden)), self.value(hidden)


def guide_state(seed: int) -> dict[str, Tensor]:
    """One state: each branch (time, features)."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(time, 3, generator=generator) for name, time in TIME.items()}
