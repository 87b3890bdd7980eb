"""How a live model is explained: the guide's names for what the [analysis] section of config.toml sets."""

from enum import StrEnum

from fxwatch.records.settings import AnalysisSettings


class AttributionMethod(StrEnum):
    """The methods by name; the names alone, as strings, do as well."""

    INTEGRATED_GRADIENTS = "integrated_gradients"
    EXPECTED_GRADIENTS = "expected_gradients"
    GRADIENT_SHAP = "gradient_shap"
    DEEP_LIFT = "deep_lift"
    SALIENCY = "saliency"
    INPUT_X_GRADIENT = "input_x_gradient"
    FEATURE_ABLATION = "feature_ablation"
    OCCLUSION = "occlusion"
    SHAPLEY_VALUE_SAMPLING = "shapley_value_sampling"
    KERNEL_SHAP = "kernel_shap"
    NOISE_TUNNEL = "noise_tunnel"


class AttributionConfig(AnalysisSettings):
    """The [analysis] section of config.toml, with the same fields and defaults. Raises ValueError (pydantic's)."""
