"""What a user might write: `make check` reads it as strictly as a type checker can."""

from pathlib import Path

import torch

import fxwatch
from fxwatch.callbacks.sb3 import FxwatchCallback
from fxwatch.recorder import Recorder

FEATURES = {"hf": ["velocity", "volume"], "portfolio": ["position"]}

model = torch.nn.Linear(3, 2)
optimizer = torch.optim.Adam(model.parameters())
with Recorder(model, optimizer, "outputs/run-1", features=FEATURES, weights=True) as recorder:
    recorder.log({"policy_loss": 1.0})
callback = FxwatchCallback("outputs/run-2", every=5)

config = fxwatch.AttributionConfig(max_states=8, primary_method="expected_gradients")
analyzer = fxwatch.AttributionAnalyzer(model, FEATURES, config)
report = analyzer.generate_attribution_report(torch.zeros(4, 3), Path("reports"), step=100)
score: float = report["consensus"]["mean_correlation"]
dead: dict[str, list[str]] = analyzer.get_dead_features()
ranking: dict[str, list[tuple[str, float]]] = analyzer.get_feature_importance_ranking(n_top=5)

collector = fxwatch.ModelInternalsCollector(model, FEATURES)
collector.buffer_states(torch.zeros(4, 3))
made = collector.after_update(step=100)
if made is not None:
    summary = collector.get_feature_attribution_summary()

frames = fxwatch.read("outputs")
axes = frames.plot("consensus")
columns: list[str] = list(frames.features.columns)
