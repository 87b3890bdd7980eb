"""The policy: a small transformer for each branch, attention between the branches, an actor and a critic."""

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import MultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from fxwatch.demo.layout import BRANCHES, Branch, action_space, observation_space

WIDTH = 32
HEADS = 4
LAYERS = 2
LEARNING_RATE = 3e-4


class BranchEncoder(nn.Module):
    """(batch, steps, features) to one token (batch, WIDTH)."""

    read: torch.Tensor

    def __init__(self, branch: Branch) -> None:
        super().__init__()
        read = [float(name not in branch.unread) for name in branch.features]
        self.register_buffer("read", torch.tensor(read))
        self.projection = nn.Linear(len(branch.features), WIDTH)
        self.positions = nn.Parameter(0.1 * torch.randn(branch.steps, WIDTH))
        self.transformer = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, HEADS, dim_feedforward=2 * WIDTH, dropout=0.0, activation=nn.GELU(), batch_first=True
            )
            for _ in range(LAYERS)
        )

    def silence_unread(self) -> None:
        """Set the weights of features that are never read to nought, where without a gradient they stay."""
        with torch.no_grad():
            self.projection.weight *= self.read

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Average over steps what the transformer makes of them."""
        hidden: torch.Tensor = self.projection(rows * self.read) + self.positions
        for layer in self.transformer:
            hidden = layer(hidden)
        return hidden.mean(dim=1)


class BranchFusion(BaseFeaturesExtractor):
    """`{branch: (batch, steps, features)}` to (batch, branches · WIDTH), by attention between branches."""

    def __init__(self, observation_space: spaces.Dict) -> None:
        super().__init__(observation_space, features_dim=WIDTH * len(BRANCHES))
        self.branches = nn.ModuleDict({name: BranchEncoder(branch) for name, branch in BRANCHES.items()})
        self.fusion = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Encode each branch, fuse the tokens, and lay them side by side."""
        tokens = torch.stack([encode(observations[name]) for name, encode in self.branches.items()], dim=1)
        fused, _ = self.fusion(tokens, tokens, tokens, need_weights=False)
        normed: torch.Tensor = self.norm(tokens + fused)
        return normed.flatten(start_dim=1)


class TradingPolicy(MultiInputActorCriticPolicy):
    """SB3's actor and critic over a shared `BranchFusion`: logits of type and size, and the value."""

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        **kwargs: Any,
    ) -> None:
        kwargs = {"features_extractor_class": BranchFusion, "net_arch": [64], **kwargs}
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        # SB3's orthogonal initialisation has just filled every linear layer, unread columns too.
        for encoder in self.features_extractor.modules():
            if isinstance(encoder, BranchEncoder):
                encoder.silence_unread()


def build() -> TradingPolicy:
    """Make the policy with fresh weights; `policy.pth` of a checkpoint loads into it strictly."""
    return TradingPolicy(observation_space(), action_space(), lambda _: LEARNING_RATE)
