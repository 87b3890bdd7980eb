"""A policy of the guide's kind and size: four branches, a transformer encoder each, attention fusion, three heads."""

import torch
from torch import Tensor, nn

SHAPES = {"hf": (60, 9), "mf": (30, 43), "lf": (30, 19), "portfolio": (5, 10)}
LAYERS = {"hf": 3, "mf": 3, "lf": 2, "portfolio": 2}


class GuidePolicy(nn.Module):
    """Takes a dictionary of branches (N, time, features); returns ((action_type, action_size) logits, value)."""

    def __init__(self, d_model: int = 128, heads: int = 4, feedforward: int = 512) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({name: nn.Linear(shape[1], d_model) for name, shape in SHAPES.items()})
        self.positions = nn.ParameterDict(
            {name: nn.Parameter(0.02 * torch.randn(1, shape[0], d_model)) for name, shape in SHAPES.items()}
        )
        self.encoders = nn.ModuleDict({name: _encoder(d_model, heads, feedforward, LAYERS[name]) for name in SHAPES})
        self.fusion = nn.MultiheadAttention(d_model, heads, batch_first=True)
        self.norm = nn.LayerNorm(d_model)
        self.action_type = nn.Linear(d_model * len(SHAPES), 3)
        self.action_size = nn.Linear(d_model * len(SHAPES), 4)
        self.value = nn.Linear(d_model * len(SHAPES), 1)

    def forward(self, branches: dict[str, Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Action logits and value."""
        tokens = []
        for name, projection in self.projections.items():
            hidden = projection(branches[name]) + self.positions[name]
            tokens.append(self.encoders[name](hidden)[:, -1])
        stacked = torch.stack(tokens, dim=1)
        attended, _ = self.fusion(stacked, stacked, stacked)
        fused = self.norm(stacked + attended).flatten(1)
        return (self.action_type(fused), self.action_size(fused)), self.value(fused)


def _encoder(d_model: int, heads: int, feedforward: int, layers: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(d_model, heads, feedforward, dropout=0.1, activation="gelu", batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def build(d_model: int = 128) -> GuidePolicy:
    """The factory for config.toml."""
    return GuidePolicy(d_model)
