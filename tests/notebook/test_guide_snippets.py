"""Every Python snippet of the guide, as it stands there, with its imports renamed: feature.attribution is fxwatch."""

import ast
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch

from fxwatch import AttributionAnalyzer, AttributionConfig, AttributionMethod, ModelInternalsCollector
from fxwatch.records.settings import MethodName
from tests.notebook.guide_model import FEATURES, GuideModel, guide_state

RANKINGS = """
# Example output structure
{
  "hf": [
    ("price_velocity", 0.845),      # Price change rate
    ("volume_ratio", 0.723),        # Volume vs average
    ("spread", 0.654)               # Bid-ask spread
  ],
  "mf": [
    ("ema_cross_signal", 0.892),    # EMA crossover
    ("rsi_divergence", 0.743),      # RSI momentum
    ("bollinger_position", 0.621)   # Price vs Bollinger bands
  ],
  "lf": [
    ("support_distance", 0.743),    # Distance to support
    ("resistance_strength", 0.598), # Resistance level quality
    ("trend_strength", 0.487)       # Overall trend momentum
  ],
  "portfolio": [
    ("position_pnl_percent", 0.934), # Current P&L %
    ("cash_ratio", 0.721),           # Cash vs total equity
    ("position_hold_time", 0.543)    # How long holding position
  ]
}
"""

CONSENSUS = """
{
  "mean_correlation": 0.847,    # Average correlation between methods
  "min_correlation": 0.723,     # Worst agreement
  "std_correlation": 0.089,     # Consistency of agreement
  "agreement_score": 0.75       # % methods with high correlation (>0.7)
}
"""

QUALITY = """
{
  "sparsity": 0.234,        # % features with very low importance
  "concentration": 0.156,    # How concentrated attributions are
  "infidelity": 0.023,      # Attribution accuracy (lower better)
  "sensitivity": 0.045      # Attribution stability (lower better)
}
"""

GRADIENT_FLOW = """
{
  "layer_gradients": {
    "hf_transformer_0": {"norm": 0.234, "mean": 0.023},
    "mf_transformer_1": {"norm": 0.156, "mean": 0.019},
    "fusion": {"norm": 0.089, "mean": 0.012}
  },
  "vanishing_gradients": [],      # Layers with norm < 1e-7
  "exploding_gradients": []       # Layers with norm > 1e3
}
"""

DEAD_FEATURES = """
{
  "dead_features": {
    "hf": ["unused_tick_feature", "redundant_volume_calc"],
    "mf": [],
    "lf": ["weak_support_indicator"],
    "portfolio": []
  },
  "total_count": 3
}
"""

MANUAL_ANALYSIS = """
# Access the analyzer directly
analyzer = trainer.metrics.model_internals_collector.attribution_analyzer

# Generate detailed report for specific states
states_to_analyze = [state1, state2, state3]
report = analyzer.generate_attribution_report(
    sample_states=states_to_analyze,
    save_path="custom_attribution_analysis.png"
)

# Compare two trading decisions
comparison = analyzer.compare_model_decisions(
    state_before_trade, 
    state_after_trade
)
print(f"Key differences: {comparison['key_discriminative_features']}")

# Check for dead features with custom threshold
dead_features = analyzer.get_dead_features(
    threshold=0.005,  # Lower threshold for stricter detection
    min_history=200   # Require more history
)

# Get gradient flow analysis
gradient_analysis = analyzer.analyze_gradient_flow()
if gradient_analysis['vanishing_gradients']:
    print(f"Warning: Vanishing gradients in {gradient_analysis['vanishing_gradients']}")
"""  # noqa: W291 - the guide's own space

CONFIGURATION = """
from fxwatch import AttributionConfig, AttributionMethod

# Create custom configuration
config = AttributionConfig(
    primary_method=AttributionMethod.INTEGRATED_GRADIENTS,
    secondary_methods=[
        AttributionMethod.GRADIENT_SHAP,
        AttributionMethod.DEEP_LIFT,
        AttributionMethod.SALIENCY
    ],
    n_steps=100,  # More accurate but slower
    n_samples=50,  # More samples for stability
    use_noise_tunnel=True,
    noise_tunnel_samples=25,
    track_gradients=True,
    track_activations=True,
    baseline_type="gaussian"  # Different baseline strategy
)
"""

DEBUGGING = """
# Check attribution analyzer status
if hasattr(trainer.metrics, 'model_internals_collector'):
    collector = trainer.metrics.model_internals_collector
    summary = collector.get_feature_attribution_summary()
    
    print(f"Attribution enabled: {summary['attribution_enabled']}")
    print(f"States buffered: {summary['states_buffered']}")
    print(f"Last analysis: {summary['last_attribution_analysis']}")
    print(f"Top features: {summary['top_features_by_branch']}")
    print(f"Dead features: {summary['dead_features']}")
"""  # noqa: W293 - the guide's own spaces

DATA_FRAME = """
# Export attribution data for external analysis
rankings = analyzer.get_feature_importance_ranking(n_top=20)

# Convert to pandas DataFrame for analysis
import pandas as pd
all_features = []
for branch, features in rankings.items():
    for name, importance in features:
        all_features.append({
            'branch': branch,
            'feature': name,
            'importance': importance
        })

df = pd.DataFrame(all_features)
print(df.groupby('branch')['importance'].describe())
"""


def run(snippet: str, **names: Any) -> dict[str, Any]:
    """The names after a snippet ran with these names."""
    exec(compile(snippet, "guide", "exec"), names)  # noqa: S102 - that is the test
    return names


def literal(snippet: str) -> Any:
    return ast.literal_eval(snippet.strip())


@pytest.fixture(scope="module")
def trainer() -> SimpleNamespace:
    torch.manual_seed(0)
    config = AttributionConfig(actions=["HOLD", "BUY", "SELL"])
    collector = ModelInternalsCollector(GuideModel(), FEATURES, config)
    collector.buffer_states([guide_state(seed) for seed in range(5)])
    return SimpleNamespace(metrics=SimpleNamespace(model_internals_collector=collector))


@pytest.fixture(scope="module")
def analyzed(trainer: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The snippet of the manual analysis, after it ran in a folder of its own."""
    folder = tmp_path_factory.mktemp("guide")
    states = {f"state{number}": guide_state(number) for number in (1, 2, 3)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = run(
            MANUAL_ANALYSIS,
            trainer=trainer,
            state_before_trade=guide_state(4),
            state_after_trade=guide_state(5),
            **states,
        )
    return {**found, "folder": folder}


def test_manual_attribution_analysis(analyzed: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert (analyzed["folder"] / "custom_attribution_analysis.png").read_bytes().startswith(b"\x89PNG")
    assert analyzed["report"]["states"]["count"] == 3
    comparison = analyzed["comparison"]
    sum_of_all = sum(value for _, _, value in comparison["key_discriminative_features"])
    assert sum_of_all == pytest.approx(comparison["value_a"] - comparison["value_b"], abs=1e-5)
    assert list(analyzed["dead_features"]) == list(FEATURES)
    assert analyzed["gradient_analysis"]["vanishing_gradients"] == []


@pytest.mark.parametrize(
    ("snippet", "part"),
    [
        (RANKINGS, "feature_importance"),
        (CONSENSUS, "consensus"),
        (QUALITY, "quality"),
        (GRADIENT_FLOW, "gradient_flow"),
    ],
)
def test_the_report_has_the_guides_keys(analyzed: dict[str, Any], snippet: str, part: str) -> None:
    assert literal(snippet).keys() <= analyzed["report"][part].keys()


def test_rankings_have_the_guides_structure(analyzed: dict[str, Any]) -> None:
    for branch, guides in literal(RANKINGS).items():
        ranking = analyzed["report"]["feature_importance"][branch]
        assert {name for name, _ in ranking} == {name for name, _ in guides}
        assert all(type(one) is tuple and 0 <= one[1] <= 1 for one in ranking)
        assert [score for _, score in ranking] == sorted((score for _, score in ranking), reverse=True)


def test_dead_features_have_the_guides_structure() -> None:
    analyzer = AttributionAnalyzer(GuideModel(), FEATURES)
    states = [{**guide_state(seed), "lf": torch.ones(2, 3)} for seed in range(4)]
    dead = analyzer.generate_attribution_report(states)["dead_features"]
    guides = literal(DEAD_FEATURES)
    found = {branch: dead[branch] for branch in guides["dead_features"]}
    assert found == {"hf": [], "mf": [], "lf": FEATURES["lf"], "portfolio": []}
    assert dead["total_count"] == 3
    assert analyzer.get_dead_features() == found


def test_gradients_have_the_guides_structure(analyzed: dict[str, Any]) -> None:
    layers = analyzed["gradient_analysis"]["layer_gradients"]
    assert all({"norm", "mean"} <= layer.keys() for layer in layers.values())
    assert layers
    assert layers == analyzed["report"]["gradient_flow"]["layer_gradients"]


def test_custom_attribution_configuration() -> None:
    config = run(CONFIGURATION)["config"]
    assert config.primary_method == "integrated_gradients"
    assert config.secondary_methods == ["gradient_shap", "deep_lift", "saliency"]
    assert (config.n_steps, config.n_samples, config.noise_tunnel_samples) == (100, 50, 25)
    assert (config.use_noise_tunnel, config.track_gradients, config.track_activations) == (True, True, True)
    assert config.baseline_type == "gaussian"
    collector = ModelInternalsCollector(GuideModel(), FEATURES, config)
    report = collector.attribution_analyzer.generate_attribution_report([guide_state(seed) for seed in range(4)])
    assert list(report["methods"]) == [*map(str, [config.primary_method, *config.secondary_methods]), "noise_tunnel"]
    assert report["dormant_units"]
    assert "normal draws" in report["target"]["baseline"]


def test_debugging_attribution_issues(
    trainer: SimpleNamespace, analyzed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    summary = run(DEBUGGING, trainer=trainer)["summary"]
    assert summary["states_buffered"] == 5
    assert capsys.readouterr().out.splitlines() == [
        "Attribution enabled: True",
        "States buffered: 5",
        f"Last analysis: {analyzed['report']['created_at']}",
        f"Top features: {summary['top_features_by_branch']}",
        f"Dead features: {summary['dead_features']}",
    ]
    assert summary["top_features_by_branch"] == analyzed["report"]["feature_importance"]


def test_rankings_become_a_data_frame(analyzed: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    frame = run(DATA_FRAME, analyzer=analyzed["analyzer"])["df"]
    assert list(frame.columns) == ["branch", "feature", "importance"]
    assert len(frame) == 12
    assert set(frame["branch"]) == set(FEATURES)
    assert "mean" in capsys.readouterr().out


def test_the_methods_are_the_cores() -> None:
    assert [str(method) for method in AttributionMethod] == list(get_args(MethodName))
